// What only BOFT promises: the butterfly's order, the product of its factors, its scale and its
// dropout. The contract suite has the rest.
#include "adapters/boft/boft.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/boft/boft_adapter.h"
#include "adapters/orthogonal/cayley.h"
#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace boft_test {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string kLayer = "model.layers.1.up_proj";

at::Tensor seeded(const std::vector<std::int64_t>& shape, std::uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed), at::kDouble);
}

double largest(const at::Tensor& difference) { return difference.abs().max().item<double>(); }

// PEFT 0.21.2's block_butterfly_perm for 16 inputs and blocks of 4.
TEST(Boft, OrderIsPeftsButterfly) {
  const BoftShape shape{.block = 4, .blocks = 4, .factors = 3};
  const std::vector<std::int64_t> first{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const std::vector<std::int64_t> second{0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15};
  const std::vector<std::int64_t> third{0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15};
  EXPECT_EQ(butterfly_order(shape, 0), first);
  EXPECT_EQ(butterfly_order(shape, 1), second);
  EXPECT_EQ(butterfly_order(shape, 2), third);
}

std::unique_ptr<BoftAdapter> adapter(const BoftConfig& config, const BaseWeight& base) {
  AdapterInit init = make_adapter(config, {kLayer, base, 5});
  return std::unique_ptr<BoftAdapter>(dynamic_cast<BoftAdapter*>(init.adapter.release()));
}

// R [in, in] with permutations as matrices, as PEFT multiplies them.
at::Tensor dense_rotation(const at::Tensor& M, const BoftShape& shape) {
  const std::int64_t in = shape.block * shape.blocks;
  at::Tensor R = at::eye(in, at::kDouble);
  for (std::int64_t i = 0; i < shape.factors; ++i) {
    const at::Tensor P = at::zeros({in, in}, at::kDouble), C = at::zeros({in, in}, at::kDouble);
    const std::vector<std::int64_t> order = butterfly_order(shape, i);
    for (std::int64_t t = 0; t < in; ++t) P[t][order[t]] = 1;
    for (std::int64_t k = 0; k < shape.blocks; ++k) {
      const at::Tensor Q = (M[i][k] - M[i][k].t()) * 0.5;
      const at::Tensor block = cayley_change(Q.unsqueeze(0))[0] + at::eye(shape.block, at::kDouble);
      C.narrow(0, k * shape.block, shape.block)
          .narrow(1, k * shape.block, shape.block)
          .copy_(block);
    }
    R = P.mm(C).mm(P.t()).mm(R);
  }
  return R;
}

TEST(Boft, TurnsByTheProductOfItsFactors) {
  const BaseWeight base(seeded({12, 16}, 1));
  for (const std::int64_t m : {1, 2, 3}) {
    const auto boft = adapter({.block_size = 4, .butterfly_factors = m}, base);
    const std::vector<Trainable> leaves = boft->trainables();
    for (const Trainable& each : leaves) {
      each.tensor.detach().add_(seeded(each.tensor.sizes().vec(), 2) * 0.5);
    }
    const at::Tensor R = dense_rotation(leaves[0].tensor.detach(), {4, 4, m});
    EXPECT_LT(largest(R.mm(R.t()) - at::eye(16, at::kDouble)), 1e-12);
    const at::Tensor x = seeded({7, 16}, 3);
    const at::Tensor expected =
        at::linear(x.mm(R), base.dense()) * leaves[1].tensor.detach().view({-1});
    EXPECT_LT(largest(boft->forward(x, base) - expected), 1e-12) << m;
    EXPECT_EQ(leaves[0].tensor.numel(), m * 16 * 4);
    EXPECT_EQ(leaves[1].tensor.numel(), 12);
  }
}

TEST(Boft, DropoutStopsBlocksOfOneFactorWhileTraining) {
  const BaseWeight base(seeded({12, 16}, 1));
  const auto boft = adapter({.block_size = 4, .butterfly_factors = 2, .block_dropout = 0.5}, base);
  const at::Tensor M = boft->trainables()[0].tensor.detach();
  M.copy_(seeded(M.sizes().vec(), 2));
  const at::Tensor x = seeded({7, 16}, 3), whole = boft->forward(x, base).detach();
  boft->begin_micro_batch(true, 11);
  const at::Tensor dropped = boft->forward(x, base).detach();
  // Two of the four blocks of one of the two factors: the one outcome that equals it.
  int equal = 0;
  for (std::int64_t factor : {0, 1}) {
    for (std::int64_t a = 0; a < 4; ++a) {
      for (std::int64_t b = a + 1; b < 4; ++b) {
        const at::Tensor kept = M.clone();
        kept[factor][a].zero_();
        kept[factor][b].zero_();
        const at::Tensor y = at::linear(x.mm(dense_rotation(kept, {4, 4, 2})), base.dense());
        equal += largest(y - dropped) < 1e-12 ? 1 : 0;
      }
    }
  }
  EXPECT_EQ(equal, 1);
  boft->begin_micro_batch(false, 0);
  EXPECT_TRUE(at::equal(boft->forward(x, base).detach(), whole));
}

std::string refusal(const BoftConfig& config) {
  const BaseWeight base(seeded({12, 20}, 1));
  try {
    check_layer(config, {kLayer, base, 5});
  } catch (const ModelError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Boft, BlocksThatDoNotFitAreRefused) {
  EXPECT_THAT(refusal({.block_size = 8}), AllOf(HasSubstr(kLayer), HasSubstr("blocks of 8")));
  EXPECT_THAT(refusal({.block_count = 3}), HasSubstr("3 blocks"));
  EXPECT_THAT(refusal({.block_count = 40}), HasSubstr("40 blocks"));
  EXPECT_THAT(refusal({.block_size = 5, .butterfly_factors = 2}), HasSubstr("odd size"));
  EXPECT_THAT(refusal({.block_size = 4, .butterfly_factors = 2}), HasSubstr("runs of 8"));
  EXPECT_EQ(refusal({.block_size = 10, .butterfly_factors = 2}), "accepted");
  EXPECT_EQ(refusal({.block_size = 5}), "accepted");
}

}  // namespace boft_test
}  // namespace svtune
