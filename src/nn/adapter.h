// The interface of every adaptation method: a trainable change to one base weight.
//
// A method owns the product with the base (some rotate the input first, some replace the
// base), lists its tensors by the names they carry in adapter files, and says what its
// effect on the weight is. The training loop, the model and the file code know this
// interface only.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nn/base_weight.h"
#include "nn/named_tensor.h"
#include "nn/ops/low_rank.h"

namespace svtune {

// Optimiser group of a trainable tensor; `learning_rate_scale` multiplies the run's rate.
struct TrainableGroup {
  double learning_rate_scale = 1.0;
  bool weight_decay = true;
};

// A leaf tensor that the optimiser updates: fp32 (fp64 in tests), requires_grad set.
// The optimiser may move its storage into a flat buffer with set_data(), so owners must
// keep the handle and never a copy of it.
struct Trainable {
  std::string name;  // suffix in adapter files, e.g. "lora_A.weight"; unique within a layer
  at::Tensor tensor;
  TrainableGroup group;
};

// scale * up · down, the change of a weight as two thin factors in fp32.
struct LowRankDelta {
  at::Tensor down;  // [k, in]
  at::Tensor up;    // [out, k]
  double scale = 1.0;
};

// What training with an adapter needs beside its trained tensors and its frozen state.
struct AdapterMemory {
  bool keeps_input = true;          // backward needs the layer's input
  bool reads_base = true;           // in products; false: what the adapter holds stands for it
  std::int64_t kept_per_token = 0;  // elements of the compute dtype that backward needs beside it
  std::int64_t held_bytes = 0;      // compute copies and the like, from step to step
  std::int64_t gradient_bytes = 0;  // of a dense gradient while backward passes the layer
};

class Adapter {
 public:
  Adapter() = default;
  Adapter(const Adapter&) = delete;
  Adapter& operator=(const Adapter&) = delete;
  virtual ~Adapter() = default;

  // x [T, in] in the compute dtype -> y [T, out] without the layer's bias.
  virtual at::Tensor forward(const at::Tensor& x, const BaseWeight& base) = 0;

  // What low_rank_linear() makes all of forward() of, for methods that are nothing but that: layers
  // that read one input then share what can be shared (forward_together()).
  virtual std::optional<LowRankTerms> low_rank_terms(const at::Tensor& x) {
    (void)x;
    return std::nullopt;
  }

  // The weight [out, in] that gives the same output, in fp32 (fp64 for an fp64 base).
  virtual at::Tensor merged_weight(const BaseWeight& base) const = 0;

  // What the adapter adds to every row of the output whatever the input, [out] in fp32 (fp64);
  // undefined: nothing. Merging adds it to the layer's bias.
  virtual at::Tensor output_bias() const { return {}; }

  virtual std::vector<Trainable> trainables() = 0;

  // The leaf that stands for the whole weight [out, in], for adapters that are nothing but
  // a trained weight; undefined otherwise. Lets the output head stay tiled.
  virtual at::Tensor plain_weight() const { return {}; }

  // The change of the weight as thin factors, where the method has them; exporters fall back
  // to a decomposition of merged_weight() - W otherwise.
  virtual std::optional<LowRankDelta> low_rank_delta() const { return std::nullopt; }

  // The part of W that the trained tensors started from, where there is one: W without it is
  // the base on which they stand alone.
  virtual std::optional<LowRankDelta> start_in_base() const { return std::nullopt; }

  // Frozen tensors that belong to the adapter's state (initial factors, bases): written to
  // checkpoints once and needed to go on. Empty for most methods.
  virtual std::vector<NamedTensor> frozen_state() const { return {}; }

  // For micro-batches of `tokens` tokens.
  virtual AdapterMemory memory(std::int64_t tokens) const = 0;

  // Called after trainable or frozen tensors were changed from outside (optimiser step,
  // load, move into a flat buffer): remake what follows from them here, such as copies in the
  // compute dtype. `base` is the one that forward() gets.
  virtual void refresh(const BaseWeight& base) { (void)base; }

  // Called before each micro-batch. `seed` is a function of run seed, step and layer, so
  // dropout depends on nothing else and a resumed run draws the same masks.
  virtual void begin_micro_batch(bool training, std::uint64_t seed) {
    (void)training;
    (void)seed;
  }
};

}  // namespace svtune
