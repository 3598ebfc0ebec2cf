// What a method holds for a whole run and not for one layer. Most methods have none.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/named_tensor.h"

namespace svtune {

class MethodState {
 public:
  MethodState() = default;
  MethodState(const MethodState&) = delete;
  MethodState& operator=(const MethodState&) = delete;
  virtual ~MethodState() = default;

  // Frozen tensors that several layers use: saved once, with the adapters' frozen state.
  virtual std::vector<NamedTensor> shared() const { return {}; }
  // Tensors that change from step to step without a gradient: part of every checkpoint and of
  // svtune's own adapter files, which write and read them in place.
  virtual std::vector<NamedTensor> changing() const { return {}; }

  // Before the first step of a run of `total` steps, and before the first after it is resumed.
  // Throws UsageError when the method cannot work with so many.
  virtual void begin(std::int64_t total) { (void)total; }
  // A scalar that is added to the loss of each step, not to losses that are reported; undefined
  // when there is none.
  virtual at::Tensor penalty() const { return {}; }
  // When the gradient of a step is made and clipped: trained leaves hold it, and it may be changed
  // in place.
  virtual void before_step() {}
  // After the optimiser's step number `step` of `total`: trained leaves hold their new values and,
  // still, the gradients that led to them.
  virtual void after_step(std::int64_t step, std::int64_t total) {
    (void)step;
    (void)total;
  }

  // As Adapter::refresh, and before the adapters'.
  virtual void refresh() {}
  // Compute copies and the like, beside shared() and changing().
  virtual std::int64_t held_bytes() const { return 0; }
};

}  // namespace svtune
