// Writes a model with its adapter's effect in the weights.
#pragma once

#include <filesystem>

#include "merge/model_writer.h"
#include "nn/adapter_set.h"

namespace svtune {

// The changes that the adapters and extra trained tensors make.
WeightChanges merged_changes(const AdapterSet& adapters);

// Streams tensor by tensor into a new model directory with config.json and the tokenizer's
// files. A bias that an adapter adds goes to the layer's bias, which is made where the family
// has one. Memory: the largest tensor in fp32, a few times. A tied head that trained apart is
// written as its own tensor. Throws ModelError naming the layer when a merged weight is not
// finite or a bias has no place; nothing is left behind then.
MergeReport merge_to_directory(const Model& model, const AdapterSet& adapters,
                               const std::filesystem::path& directory,
                               const MergeOptions& options = {});

// The same into a directory that exists.
MergeReport write_merged(const Model& model, const AdapterSet& adapters,
                         const std::filesystem::path& directory, const MergeOptions& options);

}  // namespace svtune
