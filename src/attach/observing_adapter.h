// Stands where an adapter will be while some batches pass through the model: the layer computes as
// without one, and what the plan asks for is summed.
#pragma once

#include <memory>

#include "adapters/calibration.h"
#include "nn/adapter.h"

namespace svtune {

struct LayerObservation;

// What all observed layers share: the batch that passes now, and the last input that was summed.
// Layers that receive the same tensor, such as q, k and v, have one sum.
struct ObservedPass {
  CalibrationPlan plan;
  std::int64_t tokens = 0;  // of the batch
  at::Tensor supervised;    // [M] int64, see Batch; undefined where documents are
  at::Tensor last_input;
  std::shared_ptr<LayerObservation> last;
};

struct LayerObservation {
  at::Tensor matrix, centre, sum;  // Σ (x−c)(x−c)ᵀ or dL/dW; c; Σ (x−c)
  std::int64_t rows = 0, batches = 0;

  void add_inputs(const ObservedPass& pass, const at::Tensor& x);
  void add_gradient(const at::Tensor& grad, const at::Tensor& x);
  // Σ about the mean, where the plan asks for it.
  LayerSums sums(const CalibrationPlan& plan) const;
};

class ObservingAdapter final : public Adapter {
 public:
  // `pass` must outlive this object.
  explicit ObservingAdapter(ObservedPass& pass) : pass_(pass) {}

  at::Tensor forward(const at::Tensor& x, const BaseWeight& base) override;
  at::Tensor merged_weight(const BaseWeight& base) const override;
  std::vector<Trainable> trainables() override { return {}; }
  AdapterMemory memory(std::int64_t) const override { return {}; }

  // Null when nothing reached the layer.
  const std::shared_ptr<LayerObservation>& observation() const { return observation_; }

 private:
  void observe(const at::Tensor& x);

  ObservedPass& pass_;
  std::shared_ptr<LayerObservation> observation_;
  bool shares_ = false;  // another layer sums what this one receives
};

}  // namespace svtune
