// AdamW (decoupled weight decay, 1711.05101) over flat buffers.
//
// All trained leaves with the same group share one parameter, one gradient and two moment
// buffers; each leaf and its gradient become views of them. Autograd then accumulates into
// the flat gradient, and norm, scaling, update and zeroing are one pass each over contiguous
// memory. Results do not depend on the number of threads.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "base/fields.h"
#include "nn/adapter.h"

namespace svtune {

struct OptimizerConfig {
  double weight_decay = 0.0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double max_grad_norm = 1.0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.weight_decay, {.name = "weight_decay",
                              .help = "Decoupled decay of matrices; never of norms, biases and "
                                      "factors that start from singular vectors",
                              .min = 0,
                              .max = 1});
    visit(self.beta1,
          {.name = "beta1", .help = "Decay of the mean gradient", .min = 0, .below = 1});
    visit(self.beta2,
          {.name = "beta2", .help = "Decay of the mean squared gradient", .min = 0, .below = 1});
    visit(self.epsilon,
          {.name = "epsilon", .help = "Added to the root in AdamW's divisor", .above = 0});
    visit(self.max_grad_norm,
          {.name = "max_grad_norm",
           .help = "Gradients are scaled down to this global L2 norm; 0 = no clipping",
           .min = 0});
  }
};

// Factor that brings a gradient of this norm to `max_norm` at most; 0 = no clipping. As in
// torch, 1e-6 is added to the norm.
double clip_factor(double norm, double max_norm);

class AdamW {
 public:
  // Moves the storage of every leaf (fp32 or fp64) into the flat buffers; the owners must
  // refresh() what they derived from it. Throws RunError when there is nothing to train.
  AdamW(std::vector<Trainable> trainables, const OptimizerConfig& config);
  ~AdamW();  // the leaves keep their values and lose their gradients
  AdamW(const AdamW&) = delete;
  AdamW& operator=(const AdamW&) = delete;

  // L2 norm over all gradients, accumulated in fp64 in a fixed order.
  double gradient_norm() const;
  void scale_gradients(double factor);
  // One update; `learning_rate` is multiplied by each group's scale.
  void step(double learning_rate);
  void zero_gradients();

  std::int64_t steps() const { return steps_; }
  void set_steps(std::int64_t steps) { steps_ = steps; }
  const std::vector<Trainable>& trainables() const { return trainables_; }
  // Trained leaves under "parameter/<name>" and both moments under "first_moment/<name>" and
  // "second_moment/<name>", all views: copying into them restores the state.
  std::vector<NamedTensor> state() const;

 private:
  struct Group {
    at::ScalarType dtype;
    at::Device device;
    TrainableGroup options;
    std::int64_t size = 0;  // elements, with padding between leaves
    at::Tensor parameter, gradient, first_moment, second_moment;  // [size]
  };
  struct Place {
    std::size_t group;
    std::int64_t offset;  // elements
  };

  void place_leaves();
  void allocate();
  at::Tensor view(const at::Tensor& flat, std::size_t leaf) const;

  OptimizerConfig config_;
  std::vector<Trainable> trainables_;
  std::vector<Place> places_;  // one per leaf
  std::vector<Group> groups_;
  std::int64_t steps_ = 0;
};

}  // namespace svtune
