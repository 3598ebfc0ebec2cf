// Checkpoints of a run:
//   checkpoints/frozen.safetensors  frozen state of the adapters, written once per run
//   checkpoints/step-N/             state.safetensors  trained leaves, AdamW moments, and what
//                                                      the method changes without a gradient
//                                   state.json         step, tokens, data position, best
//                                   COMPLETE           hashes of both, written last
// A folder is filled under a temporary name, synced and renamed; one without a COMPLETE that
// matches its files does not count.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "train/train.h"

namespace svtune {

struct BestEval {
  std::int64_t step = 0;
  double loss = 0;              // as MeanLoss::loss
  std::string data = {};        // fingerprint of the evaluation data
  std::string metric = "loss";  // that it is the best by
  double value = 0;             // of the metric
};

// A step that was done when an error ended the run, and has no line in its log.
struct UnloggedStep {
  StepReport report;
  bool ended_epoch = false;  // whether a pass over the data ended with it
};

// "accuracy 0.9312 at step 40".
std::string describe(const BestEval& best);

class CheckpointStore {
 public:
  // Creates `run_directory`/checkpoints when it is missing.
  explicit CheckpointStore(const std::filesystem::path& run_directory);

  // Writes step-N for N = state.step (replacing one of the same step) and, the first time,
  // the frozen state. `unlogged` is that step, where its log is still to be written. Throws
  // FileError, leaving earlier checkpoints as they are.
  void save(const TrainState& state, const std::optional<BestEval>& best,
            const std::optional<UnloggedStep>& unlogged = std::nullopt);
  // Removes all but the checkpoint of step `written`, the last `keep` - 1 before it and the one of
  // step `best`.
  void prune(std::int64_t written, std::int64_t keep, std::optional<std::int64_t> best) const;

  // Steps of the complete checkpoints, ascending. Looks at names and markers only.
  std::vector<std::int64_t> steps() const;
  std::filesystem::path path(std::int64_t step) const;

  struct Restored {
    std::int64_t step = 0;
    std::optional<BestEval> best;
    std::vector<std::int64_t> damaged;     // steps of the checkpoints that were passed over
    std::vector<std::string> warnings;     // one for each of them
    std::optional<UnloggedStep> unlogged;  // `step`, where the log lacks it
  };
  // Goes back to the latest intact checkpoint: parameters, frozen state, moments, counters,
  // data position. Changes no file: the run may still be refused. nullopt when there is none to be
  // tried; throws FileError when there are some and all are damaged.
  std::optional<Restored> restore_latest(TrainState& state);
  // For the run that goes on: removes leftovers of interrupted writes; damaged checkpoints are
  // renamed to damaged-step-N and do not count any more.
  void settle(const std::optional<Restored>& restored) const;
  // Reads trained leaves and frozen state of one checkpoint into adapters (for the best
  // one, after training). Throws FileError when it is damaged or of another set of leaves.
  void load_adapters(std::int64_t step, const AdapterSet& adapters) const;

 private:
  void load_frozen(const std::string& hash, const AdapterSet& adapters) const;
  // Verifies and reads one checkpoint; returns its state.json.
  Json load(std::int64_t step, const AdapterSet& adapters,
            const std::vector<NamedTensor>& into) const;
  Restored restore(std::int64_t step, TrainState& state);
  // Renames a damaged checkpoint, so that it does not count.
  void set_aside(std::int64_t step) const;

  std::filesystem::path directory_;
  std::optional<std::string> frozen_hash_;  // "" when there is no frozen state
};

}  // namespace svtune
