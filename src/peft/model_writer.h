// Writes a model directory from the base checkpoint with some tensors replaced, one tensor
// at a time.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "peft/merge.h"

namespace svtune {

// New values of a weight, made when its turn comes. Receives the stored base weight in fp32.
using WeightChanger = std::function<at::Tensor(const at::Tensor& base)>;

// Checkpoint name -> changer, e.g. "model.norm.weight".
using WeightChanges = std::map<std::string, WeightChanger>;

// Fills `directory` (which exists) with config.json, weights and tokenizer files. The tied
// head becomes a tensor of its own when `changes` names "lm_head.weight" or the network's
// head has parted from the embedding. Throws ModelError naming the tensor that is not finite.
MergeReport write_model(const Model& model, const WeightChanges& changes,
                        const std::filesystem::path& directory, const MergeOptions& options);

// The changes that the adapters and extra trained tensors make.
WeightChanges merged_changes(const AdapterSet& adapters);

}  // namespace svtune
