#include "train/train.h"

#include <chrono>
#include <cmath>
#include <limits>
#include <string>

#include "base/errors.h"
#include "base/hash.h"
#include "libtorch/prelude.h"
#include "train/stream_source.h"

namespace svtune {
namespace {

double now() {
  const auto since_start = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since_start).count();
}

// Seed of dropout in one micro-batch: depends on nothing but run, step and its number.
std::uint64_t micro_batch_seed(std::uint64_t run_seed, std::int64_t step, std::int64_t micro) {
  return derive_seed(run_seed, "dropout", std::to_string(step) + "/" + std::to_string(micro));
}

[[noreturn]] void fail_step(const StepReport& report, const std::string& what,
                            const std::string& hint) {
  throw RunError("step " + std::to_string(report.step) + ": " + what, hint);
}

void require_finite(double value, const char* what, const StepReport& report) {
  if (std::isfinite(value)) return;
  fail_step(report,
            std::string("the ") + what + " is " + (std::isnan(value) ? "NaN" : "infinite") +
                "; the parameters are those of the step before",
            "look for broken rows or weights, or lower --learning-rate, and go on from the last "
            "checkpoint with --resume");
}

// Adds the gradient of the batch's loss, summed over tokens; returns that sum.
double add_gradient(Transformer& net, const AdapterSet& adapters, const Batch& batch,
                    std::uint64_t seed) {
  if (batch.num_supervised() == 0) return 0;
  adapters.begin_micro_batch(true, seed);
  const at::Tensor loss = net.loss(batch);
  loss.backward();
  return loss.item<double>();
}

// The same for all micro-batches of a step; fills tokens and loss of the report. Returns false
// when the data have ended.
bool accumulate(Transformer& net, TrainState& state, const TrainConfig& config,
                StepReport& report) {
  double sum = 0;
  std::int64_t taken = 0, run = 0;
  for (; taken < config.batch.gradient_accumulation; ++taken) {
    const std::optional<Batch> batch = state.batches.next();
    if (!batch) break;
    report.tokens += batch->num_tokens();
    report.supervised_tokens += batch->num_supervised();
    const std::vector<Batch> parts =
        config.batch.packing ? std::vector{*batch} : split_documents(*batch);
    for (const Batch& part : parts) {
      sum += add_gradient(net, state.adapters, part,
                          micro_batch_seed(config.seed, report.step, run++));
    }
  }
  if (taken == 0) return false;
  if (report.supervised_tokens == 0) {
    fail_step(report, "none of its tokens is supervised",
              "check the columns and the template, or raise --max-length so that responses are "
              "not cut away");
  }
  report.loss = sum / static_cast<double>(report.supervised_tokens);
  return true;
}

}  // namespace

TrainResult train(Transformer& net, TrainState& state, const TrainConfig& config,
                  std::int64_t total_steps, TrainObserver& observer) {
  AdamW& optimizer = state.optimizer;
  const Schedule schedule(config.schedule, total_steps);
  TrainResult result{state.step, std::numeric_limits<double>::quiet_NaN(), false};
  net.set_recompute(config.recompute);
  while (state.step < total_steps) {
    result.stopped = observer.should_stop();
    if (result.stopped) break;
    const double start = now();
    StepReport report{.step = state.step + 1, .total_steps = total_steps};

    optimizer.zero_gradients();
    if (!accumulate(net, state, config, report)) break;
    require_finite(report.loss, "loss", report);

    // Micro-batches added up sums over tokens; the step's gradient is that of their mean.
    const double mean = 1.0 / static_cast<double>(report.supervised_tokens);
    report.grad_norm = optimizer.gradient_norm() * mean;
    require_finite(report.grad_norm, "gradient norm", report);
    optimizer.scale_gradients(mean * clip_factor(report.grad_norm, config.optimizer.max_grad_norm));
    report.learning_rate = schedule.rate(state.step);
    optimizer.step(report.learning_rate);
    state.adapters.refresh();

    state.step = report.step;
    state.tokens += report.tokens;
    report.epoch = state.batches.epoch();
    report.seconds = now() - start;
    state.seconds += report.seconds;
    result.steps = state.step;
    result.last_loss = report.loss;
    observer.on_step(state, report);
  }
  state.adapters.begin_micro_batch(false, 0);
  observer.on_end(state, result);
  return result;
}

}  // namespace svtune
