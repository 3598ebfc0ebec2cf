#include "nn/adapter_set.h"

#include <algorithm>

#include "base/hash.h"
#include "libtorch/prelude.h"

namespace svtune {

std::vector<Trainable> AdapterSet::trainables() const {
  std::vector<Trainable> all;
  for (const Linear* layer : layers) {
    for (Trainable each : layer->adapter()->trainables()) {
      each.name = layer->name() + "." + each.name;
      all.push_back(std::move(each));
    }
  }
  for (const ExtraTrainable& extra : extras) {
    // Norms and biases are vectors: decaying them towards zero is never wanted.
    all.push_back({extra.name, extra.tensor, {1.0, extra.tensor.dim() > 1}});
  }
  for (Trainable& each : all) {
    const bool scaled = std::ranges::any_of(scaled_modules, [&](const std::string& module) {
      return each.name.starts_with(module + ".");
    });
    if (scaled) each.group.learning_rate_scale *= scaled_rate;
  }
  return all;
}

std::vector<NamedTensor> AdapterSet::frozen_state() const {
  std::vector<NamedTensor> all;
  for (const Linear* layer : layers) {
    for (NamedTensor each : layer->adapter()->frozen_state()) {
      all.push_back({layer->name() + "." + each.name, std::move(each.tensor)});
    }
  }
  if (state) {
    for (NamedTensor& each : state->shared()) all.push_back(std::move(each));
  }
  return all;
}

std::vector<NamedTensor> AdapterSet::changing_state() const {
  return state ? state->changing() : std::vector<NamedTensor>{};
}

std::int64_t AdapterSet::num_trainable() const {
  std::int64_t count = 0;
  for (const Trainable& each : trainables()) count += each.tensor.numel();
  return count;
}

void AdapterSet::refresh() const {
  if (state) state->refresh();
  for (const Linear* layer : layers) layer->adapter()->refresh(layer->base());
}

at::Tensor AdapterSet::penalty() const { return state ? state->penalty() : at::Tensor(); }

void AdapterSet::begin(std::int64_t total) const {
  if (state) state->begin(total);
}

void AdapterSet::before_step() const {
  if (state) state->before_step();
}

void AdapterSet::after_step(std::int64_t step, std::int64_t total) const {
  if (state) state->after_step(step, total);
}

void AdapterSet::begin_micro_batch(bool training, std::uint64_t seed) const {
  for (const Linear* layer : layers) {
    layer->adapter()->begin_micro_batch(training,
                                        training ? derive_seed(seed, "adapter", layer->name()) : 0);
  }
}

}  // namespace svtune
