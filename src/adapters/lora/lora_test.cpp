// Starts and learning rates of LoRA. The contract suite has the rest.
#include "adapters/lora/lora.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <vector>

#include "adapters/low_rank/low_rank_adapter.h"
#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace lora_test {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string kLayer = "model.layers.3.q_proj";

at::Tensor seeded(const std::vector<std::int64_t>& shape, std::uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed), at::kDouble);
}

LoraConfig config(LoraInit init, std::int64_t rank) {
  LoraConfig config;
  config.low_rank.rank = rank;
  config.low_rank.alpha = 3.0;
  config.init = init;
  return config;
}

std::unique_ptr<LowRankAdapter> make(const LoraConfig& config, const BaseWeight& base) {
  AdapterInit init = make_adapter(config, LayerSite{kLayer, base, 5});
  return std::unique_ptr<LowRankAdapter>(dynamic_cast<LowRankAdapter*>(init.adapter.release()));
}

// The oracle is the decomposition of the whole matrix.
TEST(Lora, OloraStartsFromTheFirstColumnsOfQAndRowsOfR) {
  for (const auto& shape : {std::vector<std::int64_t>{14, 10}, {10, 14}}) {
    const at::Tensor W = seeded(shape, 1);
    const auto adapter = make(config(LoraInit::kOlora, 4), BaseWeight(W));
    const auto [Q, R] = at::linalg_qr(W);
    EXPECT_LT((adapter->B().detach() - Q.narrow(1, 0, 4)).abs().max().item<double>(), 1e-12);
    EXPECT_LT((adapter->A().detach() - R.narrow(0, 0, 4)).abs().max().item<double>(), 1e-12);
    EXPECT_EQ(adapter->low_rank_delta()->up.narrow(1, 0, 4).abs().max().item<double>(), 0);
  }
}

TEST(Lora, OrthogonalStartHasLargeFactorsWithoutAProduct) {
  for (const at::ScalarType dtype : {at::kDouble, at::kBFloat16}) {
    const BaseWeight base(seeded({14, 10}, 1).to(dtype));
    const auto adapter = make(config(LoraInit::kOrthogonal, 6), base);
    const at::Tensor A = adapter->A().detach(), B = adapter->B().detach();
    EXPECT_NEAR(A.std().item<double>(), 0.07, 0.02);
    EXPECT_NEAR(B.std().item<double>(), 0.07, 0.02);
    // Exact opposites in whatever order they are summed: the last bits of fp32 are left.
    const at::Tensor product = at::mm(B.to(dtype).to(at::kFloat), A.to(dtype).to(at::kFloat));
    EXPECT_LT(product.abs().max().item<double>(), 1e-8);
  }
}

TEST(Lora, OddRanksHaveNoOrthogonalStart) {
  const BaseWeight base(seeded({14, 10}, 1));
  try {
    check_layer(config(LoraInit::kOrthogonal, 5), LayerSite{kLayer, base, 5});
    FAIL() << "accepted";
  } catch (const ModelError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr(kLayer), HasSubstr("the rank is 5")));
  }
}

// What is left of a gradient, times what it was divided by, is the gradient.
TEST(Lora, PreconditionerDividesByTheOtherFactor) {
  const BaseWeight base(seeded({14, 10}, 1));
  LoraConfig one = config(LoraInit::kLoraOne, 3);
  one.precondition = true;
  const LowRankDelta start{seeded({3, 10}, 2), seeded({14, 3}, 3)};
  LayerSite site{kLayer, base, 5};
  const std::shared_ptr<MethodState> state = make_state(one, std::span<const LayerSite>(&site, 1));
  site.state = state;
  site.start = &start;
  const AdapterInit init = make_adapter(one, site);
  const std::vector<Trainable> leaves = init.adapter->trainables();
  const at::Tensor A = leaves[0].tensor, B = leaves[1].tensor;
  const at::Tensor of_A = seeded({3, 10}, 4), of_B = seeded({14, 3}, 5);
  A.mutable_grad() = of_A.clone();
  B.mutable_grad() = of_B.clone();
  state->before_step();
  const at::NoGradGuard no_grad;
  const at::Tensor damping = at::eye(3, at::kDouble) * 1e-6;
  const at::Tensor again_A = at::mm(at::mm(B.t(), B) + damping, A.grad());
  const at::Tensor again_B = at::mm(B.grad(), at::mm(A, A.t()) + damping);
  // fp64, products of a condition below 1e4.
  EXPECT_LT((again_A - of_A).abs().max().item<double>(), 1e-10);
  EXPECT_LT((again_B - of_B).abs().max().item<double>(), 1e-10);
  EXPECT_GT((A.grad() - of_A).abs().max().item<double>(), 0.1);
  one.precondition = false;
  EXPECT_TRUE(make_state(one, std::span<const LayerSite>(&site, 1)) == nullptr);
}

TEST(Lora, BLearnsAtItsOwnRate) {
  const BaseWeight base(seeded({14, 10}, 1));
  LoraConfig plus = config(LoraInit::kKaiming, 4);
  for (const double ratio : {1.0, 16.0}) {
    plus.b_rate_ratio = ratio;
    const auto adapter = make(plus, base);
    adapter->set_branch_bias(at::zeros({14}, at::kDouble));
    const std::vector<Trainable> leaves = adapter->trainables();
    EXPECT_EQ(leaves[0].name, "lora_A.weight");
    EXPECT_EQ(leaves[0].group.learning_rate_scale, 1.0);
    EXPECT_EQ(leaves[1].group.learning_rate_scale, ratio);
    EXPECT_EQ(leaves[2].group.learning_rate_scale, ratio);
  }
}

}  // namespace lora_test
}  // namespace svtune
