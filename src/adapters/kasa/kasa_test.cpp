// What KaSA takes from the weight, and its penalty. The contract suite has the rest.
#include "adapters/kasa/kasa.h"

#include <gtest/gtest.h>

#include <map>

#include "adapters/kasa/kasa_adapter.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace kasa_test {

const std::string kLayer = "model.layers.3.q_proj";

at::Tensor weight() { return at::randn({14, 10}, at::detail::createCPUGenerator(7), at::kDouble); }

class Kasa : public ::testing::Test {
 protected:
  Kasa() {
    config_.low_rank.rank = 4;
    config_.low_rank.alpha = 6.0;
    config_.singular_weight = 0.3;
    config_.orthogonal_weight = 0.7;
    site_.state = make_state(config_, {&site_, 1});
    adapter_ = make_adapter(config_, site_).adapter;
  }
  KasaConfig config_;
  const BaseWeight base_{weight()};
  LayerSite site_{kLayer, base_, 5};
  std::unique_ptr<Adapter> adapter_;
};

// The oracle is gesdd in fp64; the adapter's decomposition comes in fp32.
TEST_F(Kasa, StartsAtTheWeightWithoutItsLastTriplets) {
  const auto [U, S, Vh] = at::linalg_svd(weight(), false);
  const at::Tensor wanted = at::mm(U.narrow(1, 0, 6) * S.narrow(0, 0, 6), Vh.narrow(0, 0, 6));
  EXPECT_LT((adapter_->merged_weight(base_) - wanted).abs().max().item<double>(), 1e-6);
  const at::Tensor x = at::randn({3, 10}, at::detail::createCPUGenerator(1), at::kDouble);
  const at::NoGradGuard no_grad;
  EXPECT_LT((adapter_->forward(x, base_) - at::mm(x, wanted.t())).abs().max().item<double>(), 1e-5);
}

TEST_F(Kasa, TrainsOneNumberOfEachTripletBesideLorasFactors) {
  std::int64_t count = 0;
  for (const Trainable& each : adapter_->trainables()) count += each.tensor.numel();
  EXPECT_EQ(count, 4 * (10 + 14 + 1));
}

TEST_F(Kasa, PenaltyIsThePapers) {
  const at::NoGradGuard no_grad;
  std::map<std::string, at::Tensor> leaves;
  std::uint64_t seed = 20;
  for (const Trainable& each : adapter_->trainables()) {
    leaves[each.name] = each.tensor;
    each.tensor.detach().copy_(
        at::randn(each.tensor.sizes(), at::detail::createCPUGenerator(seed++), at::kDouble));
  }
  const at::Tensor &A = leaves["lora_A.weight"], &B = leaves["lora_B.weight"],
                   &d = leaves["lora_diag"];
  const at::Tensor one = at::eye(4, at::kDouble);
  const double wanted = 0.3 * d.square().sum().item<double>() +
                        0.7 * (at::mm(B.t(), B) - one).square().sum().sqrt().item<double>() +
                        0.7 * (at::mm(A, A.t()) - one).square().sum().sqrt().item<double>();
  EXPECT_NEAR(site_.state->penalty().item<double>(), wanted, 1e-12 * wanted);
}

TEST_F(Kasa, DropoutLeavesWhatTheWeightHasLostAlone) {
  config_.low_rank.dropout = 0.5;
  adapter_ = make_adapter(config_, site_).adapter;
  const at::Tensor x = at::randn({3, 10}, at::detail::createCPUGenerator(1), at::kDouble);
  const at::NoGradGuard no_grad;
  // B is zero, so that dropout has nothing to change yet.
  const at::Tensor wanted = adapter_->forward(x, base_);
  adapter_->begin_micro_batch(true, 3);
  EXPECT_LT((adapter_->forward(x, base_) - wanted).abs().max().item<double>(), 1e-12);
}

}  // namespace kasa_test
}  // namespace svtune
