// Everything that trains in one run: the adapters of the chosen layers and extra tensors of
// the model. The training loop, checkpoints and optimiser see only this.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "nn/linear.h"
#include "nn/method_state.h"

namespace svtune {

// A tensor of the model outside the linear matrices that trains as a whole, or rows of a matrix
// that train apart from it.
struct ExtraTrainable {
  std::string name;                     // checkpoint name, e.g. "model.norm.weight"; of rows PEFT's
  at::Tensor tensor;                    // fp32 leaf that has taken the model's place
  std::string matrix = {};              // that the rows belong to, as a checkpoint name
  std::vector<std::int64_t> rows = {};  // which they are, in the leaf's order
};

struct AdapterSet {
  std::string method;           // e.g. "pissa"
  Json config;                  // the method's resolved options
  std::vector<Linear*> layers;  // each carries an adapter; owned by the model
  std::vector<ExtraTrainable> extras;
  std::shared_ptr<MethodState> state;  // null for most methods
  // Modules whose tensors learn at so many times the run's rate: a head of labels.
  std::vector<std::string> scaled_modules = {};
  double scaled_rate = 1;

  // All trained leaves under unique full names: "<layer>.<suffix>", extras by their own name.
  // The order is fixed: layers in model order, then extras.
  std::vector<Trainable> trainables() const;
  // Frozen tensors of all adapters under full names, then those that they share.
  std::vector<NamedTensor> frozen_state() const;
  std::vector<NamedTensor> changing_state() const;  // see MethodState::changing
  std::int64_t num_trainable() const;

  void refresh() const;                  // see Adapter::refresh
  at::Tensor penalty() const;            // see MethodState::penalty
  void begin(std::int64_t total) const;  // see MethodState::begin
  void before_step() const;              // see MethodState::before_step
  // see MethodState::after_step
  void after_step(std::int64_t step, std::int64_t total) const;
  // Seeds each layer's adapter with a stream of its own.
  void begin_micro_batch(bool training, std::uint64_t seed) const;
};

}  // namespace svtune
