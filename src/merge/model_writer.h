// Writes a model directory from the base checkpoint with some tensors replaced, one tensor
// at a time: fp32 arithmetic, one rounding.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "formats/checkpoint_writer.h"
#include "io/model.h"
#include "merge/rounding.h"

namespace svtune {

struct MergeOptions {
  // Of the weights written; default: that of most of the base's, and of each that is stored wider
  // its own.
  std::optional<at::ScalarType> dtype = {};
  std::uint64_t max_shard_bytes = kDefaultShardBytes;
  IfExists if_exists = IfExists::kFail;
  std::optional<TrainedPrompt> prompt = {};  // of the training; default: what the base says
  RoundingOptions rounding = {};             // of changed weights, to 16-bit dtypes
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};  // tensors
};

// Change of one weight as written, against the base as stored.
struct StoredChange {
  std::string name;          // checkpoint name of the layer
  double largest = 0;        // max |W' - W|
  double relative_norm = 0;  // ‖W' - W‖ / ‖W‖, Frobenius
  KeptUpdate kept;           // of the change wanted, by the rounding
  bool stochastic = false;
};

struct MergeReport {
  std::vector<StoredChange> changes;  // of every tensor that trained, in the model's order
  std::string largest_name;
  double largest = 0;
  std::uint64_t bytes = 0;            // of the weights written
  at::ScalarType dtype = at::kFloat;  // of most of them
  KeptUpdate kept;                    // over all changes
};

// Stored beside the weights: what was changed, and how much of it their type keeps.
inline constexpr char kMergeReportFile[] = "svtune_merge.json";

// "bf16 keeps 99.9 % of the update, 98.7 % of it in NAME; ...", one line; empty when nothing
// changed or the dtype is not a 16-bit one.
std::string rounding_summary(const MergeReport& report);

// New values of a weight, made when its turn comes. Receives the stored base weight in fp32.
using WeightChanger = std::function<at::Tensor(const at::Tensor& base)>;

// Checkpoint name -> changer, e.g. "model.norm.weight".
using WeightChanges = std::map<std::string, WeightChanger>;

// Fills `directory` (which exists) with config.json, weights and tokenizer files. The tied
// head becomes a tensor of its own when `changes` names its weight or the network's
// head has parted from the embedding. Throws ModelError naming the tensor that is not finite.
MergeReport write_model(const Model& model, const WeightChanges& changes,
                        const std::filesystem::path& directory, const MergeOptions& options);

}  // namespace svtune
