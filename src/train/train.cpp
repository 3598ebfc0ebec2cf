#include "train/train.h"

#include <cmath>
#include <limits>
#include <string>

#include "base/clock.h"
#include "base/errors.h"
#include "base/hash.h"
#include "libtorch/prelude.h"
#include "train/stream_source.h"

namespace svtune {
namespace {

// Seed of dropout in one micro-batch: depends on nothing but run, step and its number.
std::uint64_t micro_batch_seed(std::uint64_t run_seed, std::int64_t step, std::int64_t micro) {
  return derive_seed(run_seed, "dropout", std::to_string(step) + "/" + std::to_string(micro));
}

// Does a part of a step that updates nothing. When it fails, the data go back to where the step
// began, so that the observer can keep what the last whole step left.
template <class Work>
auto or_rescue(TrainState& state, TrainObserver& observer, Work work) {
  const Json position = state.batches.position();
  try {
    return work();
  } catch (...) {
    state.batches.seek(position);
    observer.on_failure(state);
    throw;
  }
}

[[noreturn]] void fail_step(const StepReport& report, const std::string& what,
                            const std::string& hint) {
  throw RunError("step " + std::to_string(report.step) + ": " + what, hint);
}

void require_finite(double value, const char* what, const StepReport& report) {
  if (std::isfinite(value)) return;
  const std::int64_t good = report.step - 1;
  std::string hint = "look for broken rows or weights, or lower --learning-rate";
  if (good > 0) {
    hint += "; --resume --max-steps " + std::to_string(good) + " saves what was learnt until here";
  }
  fail_step(report,
            std::string("the ") + what + " is " + (std::isnan(value) ? "NaN" : "infinite") +
                "; the parameters are those of the step before",
            hint);
}

// Adds the gradient of the batch's loss, summed over tokens; returns that sum.
double add_gradient(Network& net, const AdapterSet& adapters, const Batch& batch,
                    std::uint64_t seed) {
  if (batch.num_supervised() == 0) return 0;
  adapters.begin_micro_batch(true, seed);
  const at::Tensor loss = net.loss(batch, seed);
  loss.backward();
  return loss.item<double>();
}

// Gradients are sums over tokens here, so that of a penalty counts once per token.
void add_penalty(const AdapterSet& adapters, std::int64_t supervised_tokens) {
  const at::Tensor penalty = adapters.penalty();
  if (penalty.defined()) (penalty * static_cast<double>(supervised_tokens)).backward();
}

// The gradient of all micro-batches of a step and of the penalty; fills tokens and loss of the
// report. Returns false when the data have ended.
bool accumulate(Network& net, TrainState& state, const TrainConfig& config, StepReport& report) {
  double sum = 0;
  std::int64_t taken = 0, run = 0;
  for (; taken < config.batch.gradient_accumulation; ++taken) {
    const std::optional<Batch> batch = state.batches.next();
    if (!batch) break;
    report.tokens += batch->num_tokens();
    report.supervised_tokens += batch->num_supervised();
    sum += add_micro_batch(net, state.adapters, *batch, config, report.step, run);
  }
  if (taken == 0) return false;
  if (report.supervised_tokens == 0) {
    fail_step(report, "none of its tokens is supervised",
              "check the columns and the template, or raise --max-length so that responses are "
              "not cut away");
  }
  report.loss = sum / static_cast<double>(report.supervised_tokens);
  add_penalty(state.adapters, report.supervised_tokens);
  return true;
}

// Forward and backward of a step: the gradient of its mean loss, clipped. Returns false when the
// data have ended.
bool make_gradient(Network& net, TrainState& state, const TrainConfig& config, StepReport& report) {
  AdamW& optimizer = state.optimizer;
  optimizer.zero_gradients();
  if (!accumulate(net, state, config, report)) return false;
  require_finite(report.loss, "loss", report);
  // Micro-batches added up sums over tokens.
  const double mean = 1.0 / static_cast<double>(report.supervised_tokens);
  report.grad_norm = optimizer.gradient_norm() * mean;
  require_finite(report.grad_norm, "gradient norm", report);
  optimizer.scale_gradients(mean * clip_factor(report.grad_norm, config.optimizer.max_grad_norm));
  return true;
}

void take_steps(Network& net, TrainState& state, const TrainConfig& config,
                std::int64_t total_steps, TrainObserver& observer, TrainResult& result) {
  const Schedule schedule(config.schedule, total_steps);
  while (state.step < total_steps) {
    result.stopped = observer.should_stop();
    if (result.stopped) break;
    const double start = steady_seconds();
    StepReport report{.step = state.step + 1, .total_steps = total_steps};
    const bool has_data =
        or_rescue(state, observer, [&] { return make_gradient(net, state, config, report); });
    if (!has_data) break;
    report.learning_rate = schedule.rate(state.step);
    state.adapters.before_step();
    state.optimizer.step(report.learning_rate);
    state.adapters.after_step(report.step, total_steps);
    state.adapters.refresh();

    state.step = report.step;
    state.tokens += report.tokens;
    report.epoch = state.batches.epoch();
    report.seconds = steady_seconds() - start;
    state.seconds += report.seconds;
    result.steps = state.step;
    result.last_loss = report.loss;
    or_rescue(state, observer, [&] { observer.on_step(state, report); });
  }
}

}  // namespace

double add_micro_batch(Network& net, const AdapterSet& adapters, const Batch& batch,
                       const TrainConfig& config, std::int64_t step, std::int64_t& number) {
  const std::vector<Batch> parts =
      config.batch.packing ? std::vector{batch} : split_documents(batch);
  double sum = 0;
  for (const Batch& part : parts) {
    sum += add_gradient(net, adapters, part, micro_batch_seed(config.seed, step, number++));
  }
  return sum;
}

TrainResult train(Network& net, TrainState& state, const TrainConfig& config,
                  std::int64_t total_steps, TrainObserver& observer) {
  TrainResult result{state.step, std::numeric_limits<double>::quiet_NaN(), false};
  net.set_recompute(config.activations.plan());
  net.set_dropout(chosen_dropout(config.model_dropout, net.spec().dropout));
  state.adapters.begin(total_steps);
  or_rescue(state, observer, [&] { observer.on_begin(state); });
  if (state.step < total_steps) take_steps(net, state, config, total_steps, observer, result);
  state.adapters.begin_micro_batch(false, 0);
  or_rescue(state, observer, [&] { observer.on_end(state, result); });
  return result;
}

}  // namespace svtune
