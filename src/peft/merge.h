// Writes a model with its adapter's effect in the weights: fp32 arithmetic, one rounding.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "formats/checkpoint_writer.h"
#include "io/model.h"
#include "nn/adapter_set.h"

namespace svtune {

struct MergeOptions {
  std::optional<at::ScalarType> dtype = {};  // of the weights written; default: the base's
  std::uint64_t max_shard_bytes = kDefaultShardBytes;
  IfExists if_exists = IfExists::kFail;
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};  // tensors
};

// Change of one weight as written, against the base as stored.
struct WeightChange {
  std::string name;          // checkpoint name of the layer
  double largest = 0;        // max |W' - W|
  double relative_norm = 0;  // ‖W' - W‖ / ‖W‖, Frobenius
};

struct MergeReport {
  std::vector<WeightChange> changes;  // of every tensor that trained, in the model's order
  std::string largest_name;
  double largest = 0;
  std::uint64_t bytes = 0;  // of the weights written
  at::ScalarType dtype = at::kFloat;
};

// Streams tensor by tensor into a new model directory with config.json and the tokenizer's
// files. Memory: the largest tensor in fp32, a few times. A tied head that trained apart is
// written as its own tensor. Throws ModelError naming the layer when a merged weight is not
// finite; nothing is left behind then.
MergeReport merge_to_directory(const Model& model, const AdapterSet& adapters,
                               const std::filesystem::path& directory,
                               const MergeOptions& options = {});

// Copies tokenizer, chat template and generation settings that lie in `from`, a model directory;
// from a .gguf file they are written as `svtune convert` does.
void copy_companion_files(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace svtune
