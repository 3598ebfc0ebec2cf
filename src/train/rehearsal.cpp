#include "train/rehearsal.h"

#include "base/clock.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

template <class Work>
double seconds_of(Work work) {
  const double start = steady_seconds();
  work();
  return steady_seconds() - start;
}

void set_to_zero(const AdapterSet& adapters) {
  const at::NoGradGuard no_grad;
  for (const Trainable& each : adapters.trainables()) each.tensor.zero_();
  for (const NamedTensor& each : adapters.frozen_state()) each.tensor.zero_();
}

// From the start again where the data are short.
std::optional<Batch> next_batch(BatchSource& batches) {
  std::optional<Batch> batch = batches.next();
  if (batch) return batch;
  batches.rewind();
  return batches.next();
}

double update_seconds(TrainState& state) {
  return seconds_of([&state] {
    state.optimizer.scale_gradients(1e-3 * state.optimizer.gradient_norm());
    state.optimizer.step(0);
    state.adapters.refresh();
    state.optimizer.zero_gradients();
  });
}

}  // namespace

StepTime measure_steps(Network& net, AdapterSet& adapters, BatchSource& batches,
                       const TrainConfig& config) {
  constexpr std::int64_t kMost = 32;
  constexpr double kEnough = 1.0;  // seconds
  set_to_zero(adapters);
  TrainState state(adapters, batches, config.optimizer);
  state.optimizer.zero_gradients();
  net.set_recompute(config.activations.plan());
  net.set_dropout(chosen_dropout(config.model_dropout, net.spec().dropout));
  batches.rewind();
  StepTime time;
  double seconds = 0;
  std::int64_t tokens = 0, number = 0;
  for (std::int64_t i = 0; i <= kMost && (i < 2 || seconds < kEnough); ++i) {
    const std::optional<Batch> batch = next_batch(batches);
    if (!batch) break;
    const double spent =
        seconds_of([&] { add_micro_batch(net, adapters, *batch, config, /*step=*/1, number); });
    if (i == 0) continue;
    seconds += spent;
    tokens += batch->num_tokens();
    ++time.micro_batches;
  }
  update_seconds(state);
  time.per_update = update_seconds(state);
  if (tokens > 0) time.per_token = seconds / static_cast<double>(tokens);
  batches.rewind();
  return time;
}

}  // namespace svtune
