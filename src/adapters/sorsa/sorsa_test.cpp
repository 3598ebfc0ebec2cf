// What SORSA trains and its penalty. The contract suite has the rest.
#include "adapters/sorsa/sorsa.h"

#include <gtest/gtest.h>

#include <map>

#include "libtorch/prelude.h"

namespace svtune {
namespace sorsa_test {

class Sorsa : public ::testing::Test {
 protected:
  Sorsa() {
    site_.state = make_state(config_, {&site_, 1});
    adapter_ = make_adapter(config_, site_).adapter;
    for (const Trainable& each : adapter_->trainables()) leaves_[each.name] = each.tensor.detach();
  }
  const SorsaConfig config_{.rank = 4, .orthogonal_weight = 0.7};
  const std::string name_ = "model.layers.3.q_proj";
  const at::Tensor W_ = at::randn({14, 10}, at::detail::createCPUGenerator(7), at::kDouble);
  const BaseWeight base_{W_};
  LayerSite site_{name_, base_, 5};
  std::unique_ptr<Adapter> adapter_;
  std::map<std::string, at::Tensor> leaves_;
};

// The oracle is gesdd in fp64; the adapter's decomposition comes in fp32.
TEST_F(Sorsa, TrainsTheLeadingTriplets) {
  const auto [U, S, Vh] = at::linalg_svd(W_, false);
  EXPECT_LT((leaves_["lora_E"].view({-1}) - S.narrow(0, 0, 4)).abs().max().item<double>(), 1e-4);
  const at::Tensor product = at::mm(leaves_["lora_B"] * leaves_["lora_E"].t(), leaves_["lora_A"]);
  const at::Tensor wanted = at::mm(U.narrow(1, 0, 4) * S.narrow(0, 0, 4), Vh.narrow(0, 0, 4));
  // AdaLoRA's scale is a hundred-thousandth over the rank below one.
  EXPECT_LT((product - wanted).abs().max().item<double>(), 1e-4);
  std::int64_t count = 0;
  for (const auto& [name, leaf] : leaves_) count += leaf.numel();
  EXPECT_EQ(count, 4 * (10 + 14 + 1));
}

TEST_F(Sorsa, PenaltyIsTheMeanOfBothDepartures) {
  EXPECT_NEAR(site_.state->penalty().item<double>(), 0, 1e-5);
  leaves_["lora_A"].mul_(1.5);
  leaves_["lora_B"].add_(0.1);
  const at::Tensor one = at::eye(4, at::kDouble);
  const at::Tensor &A = leaves_["lora_A"], &B = leaves_["lora_B"];
  const double wanted = 0.7 / 2 *
                        ((at::mm(B.t(), B) - one).square().sum().sqrt() +
                         (at::mm(A, A.t()) - one).square().sum().sqrt())
                            .item<double>();
  EXPECT_NEAR(site_.state->penalty().item<double>(), wanted, 1e-12 * wanted);
}

// The authors' trainer gives the penalty the weight gamma / learning_rate, in their scripts
// 4e-4 / 3e-5.
TEST(SorsaPreset, PenaltyHasTheWeightOfTheAuthorsRuns) {
  EXPECT_NEAR(SorsaConfig{}.orthogonal_weight, 4e-4 / 3e-5, 0.05);
}

}  // namespace sorsa_test
}  // namespace svtune
