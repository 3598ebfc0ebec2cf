// What only Delta-LoRA promises: the closed form is the paper's update of the weight, step by step.
// The contract suite has the rest.
#include "adapters/delta_lora/delta_lora.h"

#include <gtest/gtest.h>

#include "adapters/delta_lora/delta_lora_adapter.h"
#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace delta_lora_test {

at::Tensor seeded(const std::vector<std::int64_t>& shape, std::uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed), at::kDouble);
}

class DeltaLora : public ::testing::Test {
 protected:
  const std::string name_ = "model.layers.0.q_proj";
  const BaseWeight base_{seeded({12, 20}, 1)};
  DeltaLoraConfig config_{
      .low_rank = {.rank = 3, .alpha = 6.0}, .weight_ratio = 0.7, .weight_start = 2};
  std::shared_ptr<MethodState> state_;
  std::unique_ptr<Adapter> adapter_;

  void SetUp() override {
    LayerSite site{name_, base_, 1};
    state_ = make_state(config_, std::span(&site, 1));
    site.state = state_;
    adapter_ = make_adapter(config_, site).adapter;
  }
  at::Tensor leaf(int i) const { return adapter_->trainables()[i].tensor.detach(); }
};

TEST_F(DeltaLora, ClosedFormIsTheUpdateOfTheWeightStepByStep) {
  at::Tensor W = base_.dense().clone();
  const double s = 2.0;  // alpha / rank
  for (std::int64_t step = 1; step <= 6; ++step) {
    const at::Tensor before = at::mm(leaf(1), leaf(0));
    for (int i : {0, 1}) leaf(i).add_(seeded(leaf(i).sizes().vec(), 10 * step + i));
    if (step > 2) W += (at::mm(leaf(1), leaf(0)) - before) * (0.7 * s);
    state_->after_step(step, 6);
    adapter_->refresh(base_);
    const at::Tensor expected = W + at::mm(leaf(1), leaf(0)) * s;
    const at::Tensor x = seeded({5, 20}, 3);
    // fp64 sums of values around 100.
    EXPECT_LT((adapter_->merged_weight(base_) - expected).abs().max().item<double>(), 1e-10)
        << step;
    EXPECT_LT(
        (adapter_->forward(x, base_).detach() - at::linear(x, expected)).abs().max().item<double>(),
        1e-10)
        << step;
  }
}

TEST_F(DeltaLora, GradientsAreThoseOfLoraOnTheMovedWeight) {
  for (std::int64_t step = 1; step <= 4; ++step) {
    for (int i : {0, 1}) leaf(i).add_(seeded(leaf(i).sizes().vec(), 10 * step + i));
    state_->after_step(step, 6);
  }
  adapter_->refresh(base_);
  const at::Tensor A = leaf(0).clone().requires_grad_(true),
                   B = leaf(1).clone().requires_grad_(true);
  const at::Tensor moved = adapter_->merged_weight(base_) - at::mm(leaf(1), leaf(0)) * 2.0;
  const at::Tensor x = seeded({5, 20}, 3).requires_grad_(true), weights = seeded({5, 12}, 4);
  const at::Tensor z = x.detach().clone().requires_grad_(true);
  (adapter_->forward(x, base_) * weights).sum().backward();
  (at::linear(z, moved + at::mm(B, A) * 2.0) * weights).sum().backward();
  const std::vector<Trainable> leaves = adapter_->trainables();
  EXPECT_LT((leaves[0].tensor.grad() - A.grad()).abs().max().item<double>(), 1e-10);
  EXPECT_LT((leaves[1].tensor.grad() - B.grad()).abs().max().item<double>(), 1e-10);
  EXPECT_LT((x.grad() - z.grad()).abs().max().item<double>(), 1e-10);
}

TEST_F(DeltaLora, DropoutIsRefused) {
  config_.low_rank.dropout = 0.1;
  EXPECT_THROW(check_layer(config_, {name_, base_, 1}), UsageError);
}

}  // namespace delta_lora_test
}  // namespace svtune
