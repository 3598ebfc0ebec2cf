// The training loop: forward, backward, clip, step, zero. It knows the Adapter interface and
// no method; everything else (logs, evaluation, checkpoints) is done by the observer between
// the steps.
#pragma once

#include <cstdint>

#include "models/network.h"
#include "nn/adapter_set.h"
#include "train/batch_source.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/train_config.h"

namespace svtune {

// What changes while a run goes on. A checkpoint holds all of it, so a run that continues
// from one gives the same bits as one that was never interrupted.
struct TrainState {
  // Moves the trained leaves into the optimiser's buffers and refreshes the adapters.
  TrainState(AdapterSet& set, BatchSource& source, const OptimizerConfig& config)
      : adapters(set), batches(source), optimizer(set.trainables(), config) {
    adapters.refresh();
  }

  AdapterSet& adapters;
  BatchSource& batches;
  AdamW optimizer;
  std::int64_t step = 0;    // optimiser steps done
  std::int64_t tokens = 0;  // trained so far
  double seconds = 0;       // spent in training steps, summed over resumed parts
};

struct StepReport {
  std::int64_t step = 0;         // this one included
  std::int64_t total_steps = 0;  // of the whole run
  double loss = 0;               // mean over what is supervised (nn/batch.h), before the update
  double grad_norm = 0;          // before clipping
  double learning_rate = 0;
  std::int64_t tokens = 0;             // of this step
  std::int64_t supervised_tokens = 0;  // of this step
  double seconds = 0;                  // of this step
  double epoch = 0;                    // passes over the data

  double tokens_per_second() const { return static_cast<double>(tokens) / seconds; }
};

struct TrainResult {
  std::int64_t steps = 0;  // done in total, earlier parts of a resumed run included
  double last_loss = 0;    // as StepReport::loss; NaN when no step was done
  bool stopped = false;    // by the observer, before the last step
};

class TrainObserver {
 public:
  virtual ~TrainObserver() = default;
  // Before the first step, also where none is left to do.
  virtual void on_begin(const TrainState& state) { (void)state; }
  // Between two steps: parameters are updated, gradients are zero.
  virtual void on_step(const TrainState& state, const StepReport& report) = 0;
  virtual void on_end(const TrainState& state, const TrainResult& result) = 0;
  // An error is about to leave train(); the state is that after the last whole step.
  virtual void on_failure(const TrainState& state) noexcept { (void)state; }
  // Asked before each step.
  virtual bool should_stop() const { return false; }
};

// Adds the gradient of a micro-batch: that of the loss summed over its tokens, which is returned.
// `number` counts the runs of the network within the step; dropout follows from both.
double add_micro_batch(Network& net, const AdapterSet& adapters, const Batch& batch,
                       const TrainConfig& config, std::int64_t step, std::int64_t& number);

// Runs from state.step to `total_steps`, or until the data end. The loss of a step is
// the mean over all its supervised tokens, however they are spread over micro-batches.
// Throws RunError naming the step, before anything is updated, when loss or gradient is not
// finite or a step has no supervised token; whatever is thrown, the observer's on_failure comes
// first.
TrainResult train(Network& net, TrainState& state, const TrainConfig& config,
                  std::int64_t total_steps, TrainObserver& observer);

}  // namespace svtune
