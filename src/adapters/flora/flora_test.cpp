// What only FLoRA promises: its formula, and how many numbers it trains. The contract suite has the
// rest.
#include "adapters/flora/flora.h"

#include <gtest/gtest.h>

#include "libtorch/prelude.h"

namespace svtune {
namespace flora_test {

at::Tensor seeded(const std::vector<std::int64_t>& shape, std::uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed), at::kDouble);
}

TEST(Flora, EachWeightIsMultipliedByItsEntryOfTheLowRankMatrix) {
  const BaseWeight base(seeded({12, 20}, 1));
  AdapterInit init = make_adapter(FloraConfig{.rank = 3}, {"layer", base, 5});
  const std::vector<Trainable> leaves = init.adapter->trainables();
  EXPECT_EQ(leaves[0].tensor.numel() + leaves[1].tensor.numel(), 3 * (20 + 12));
  const at::Tensor A = seeded({3, 20}, 2), B = seeded({12, 3}, 3), x = seeded({5, 20}, 4);
  leaves[0].tensor.detach().copy_(A);
  leaves[1].tensor.detach().copy_(B);
  const at::Tensor expected = at::linear(x, base.dense() * at::mm(B, A));
  EXPECT_LT((init.adapter->forward(x, base).detach() - expected).abs().max().item<double>(), 1e-12);
}

}  // namespace flora_test
}  // namespace svtune
