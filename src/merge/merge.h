// Writes a model with its adapter's effect in the weights.
#pragma once

#include <filesystem>

#include "merge/model_writer.h"
#include "nn/adapter_set.h"

namespace svtune {

// The changes that the adapters and extra trained tensors make.
WeightChanges merged_changes(const AdapterSet& adapters);

// Streams tensor by tensor into a new model directory with config.json and the tokenizer's
// files. Memory: the largest tensor in fp32, a few times. A tied head that trained apart is
// written as its own tensor. Throws ModelError naming the layer when a merged weight is not
// finite; nothing is left behind then.
MergeReport merge_to_directory(const Model& model, const AdapterSet& adapters,
                               const std::filesystem::path& directory,
                               const MergeOptions& options = {});

// The same into a directory that exists.
MergeReport write_merged(const Model& model, const AdapterSet& adapters,
                         const std::filesystem::path& directory,
                         const std::optional<TrainedPrompt>& prompt);

}  // namespace svtune
