// The observer of a run directory: metrics.jsonl, TensorBoard events, evaluation every N steps and
// after each pass over the data, checkpoints by steps and by time, pruning, and the wish to stop.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "eval/perplexity.h"
#include "report/metrics_log.h"
#include "train/checkpoint.h"
#include "train/train.h"

namespace svtune {

struct RunLogOptions {
  std::filesystem::path directory;  // of the run; must exist
  std::int64_t total_steps = 0;
  std::int64_t eval_every = 0;  // steps; 0 = at the end only
  bool eval_each_epoch = false;
  double epochs_done = 0;       // when the log begins
  std::int64_t save_every = 0;  // steps; 0 = by time and at the end only
  double save_seconds = 0;      // since the last checkpoint; 0 = never by time
  std::int64_t keep_checkpoints = 1;
  bool tensorboard = true;
  // Runs the evaluation; empty = there is no evaluation data.
  std::function<MeanLoss()> evaluate;
  std::string eval_data = {};  // fingerprint; a best one on other data does not count
  // Tells the best evaluation: the lowest "loss", or the highest of a metric that evaluate() gives.
  std::string best_by = "loss";
  // Told of every step after it was logged, with the evaluation when one was due.
  std::function<void(const StepReport&, const std::optional<MeanLoss>&)> on_step;
  // Told when an error ends the run and a checkpoint of the last whole step was written for it.
  std::function<void(std::int64_t step)> on_rescue;
  // Set from outside to end the run after the current step; may be null.
  const std::atomic<bool>* stop = nullptr;
  std::function<double()> now = {};  // seconds; empty: steady clock
};

class RunLog final : public TrainObserver {
 public:
  // `restored` is what CheckpointStore::restore_latest gave: logs keep what came before it.
  RunLog(RunLogOptions options,
         const std::optional<CheckpointStore::Restored>& restored = std::nullopt);
  ~RunLog() override;

  // What the restored step still lacks: its evaluation and its line.
  void on_begin(const TrainState& state) override;
  void on_step(const TrainState& state, const StepReport& report) override;
  // Saves a checkpoint of the last step when it has none.
  void on_end(const TrainState& state, const TrainResult& result) override;
  // Saves a checkpoint of the last whole step, where it is not the latest already.
  void on_failure(const TrainState& state) noexcept override;
  bool should_stop() const override;

  const std::optional<BestEval>& best() const { return best_; }
  CheckpointStore& checkpoints() { return checkpoints_; }

 private:
  struct Writers;

  MeanLoss evaluate(std::int64_t step);
  bool evaluation_is_due(const UnloggedStep& step) const;
  void finish_step(const TrainState& state, const UnloggedStep& step);
  void log(const MetricPoint& point);
  bool save_is_due(std::int64_t step) const;
  void save(const TrainState& state);

  RunLogOptions options_;
  CheckpointStore checkpoints_;
  std::unique_ptr<Writers> writers_;
  std::optional<BestEval> best_;
  std::optional<UnloggedStep> unlogged_;  // the last step, until it has its line
  std::optional<std::int64_t> saved_step_, evaluated_step_;
  double epochs_ = 0;      // passes over the data that have ended
  double saved_time_ = 0;  // of the last checkpoint, else of the start; by options_.now
};

}  // namespace svtune
