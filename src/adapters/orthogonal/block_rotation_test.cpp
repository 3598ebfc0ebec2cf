// The product with a changed input in bf16, where small changes are rounded at random, against the
// plain formula in fp64.
#include "adapters/orthogonal/block_rotation.h"

#include <gtest/gtest.h>

#include "libtorch/prelude.h"

namespace svtune {
namespace block_rotation_test {

at::Tensor seeded(at::IntArrayRef shape, std::uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed), at::kDouble);
}

double distance(const at::Tensor& got, const at::Tensor& expected) {
  return ((got.to(at::kDouble) - expected).norm() / expected.norm()).item<double>();
}

struct Operands {
  at::Tensor x = seeded({64, 48}, 1), change = seeded({64, 48}, 2) * 0.05,
             scale = 1 + seeded({40}, 3) * 0.1, other = seeded({64, 40}, 4);

  Operands to(at::ScalarType dtype) const {
    const auto leaf = [](const at::Tensor& tensor, at::ScalarType type) {
      return tensor.to(at::kBFloat16).to(type).detach().requires_grad_(true);
    };
    const at::ScalarType wide = dtype == at::kBFloat16 ? at::kFloat : dtype;
    return {leaf(x, dtype), leaf(change, dtype), leaf(scale, wide), leaf(other, dtype)};
  }
};

// bf16 keeps 8 bits: a rounding is up to 4e-3 of a value, at random up to 8e-3; two or three of
// them follow one another.
constexpr double kRounding = 8e-3;

TEST(ChangedLinear, EqualsThePlainFormulaAndItsGradientsInBf16) {
  const at::Tensor weight = seeded({40, 48}, 5).to(at::kBFloat16), mask = seeded({64, 40}, 6);
  const BaseWeight base(weight);
  for (const bool scaled : {false, true}) {
    for (const bool added : {false, true}) {
      Operands got = Operands().to(at::kBFloat16), plain = Operands().to(at::kDouble);
      const at::Tensor y = changed_linear(got.x, got.change, scaled ? got.scale : at::Tensor(),
                                          base, 11, added ? got.other : at::Tensor());
      at::Tensor expected = at::mm(plain.x + plain.change, weight.to(at::kDouble).t());
      if (scaled) expected = expected * plain.scale;
      if (added) expected = expected + plain.other;
      EXPECT_LT(distance(y.detach(), expected.detach()), kRounding);
      (y.to(at::kDouble) * mask).sum().backward();
      (expected * mask).sum().backward();
      EXPECT_LT(distance(got.x.grad(), plain.x.grad()), kRounding);
      EXPECT_LT(distance(got.change.grad(), plain.change.grad()), kRounding);
      if (scaled) {
        EXPECT_LT(distance(got.scale.grad(), plain.scale.grad()), kRounding);
      }
      if (added) {
        EXPECT_LT(distance(got.other.grad(), plain.other.grad()), kRounding);
      }
    }
  }
}

// One product, and exactly the base's where nothing is changed yet.
TEST(ChangedLinear, StartsAtTheBaseToTheBit) {
  const BaseWeight base(seeded({40, 48}, 5).to(at::kBFloat16));
  const at::Tensor x = seeded({64, 48}, 1).to(at::kBFloat16), none = at::zeros_like(x);
  const at::Tensor ones = at::ones({40}, at::kFloat);
  EXPECT_TRUE(at::equal(changed_linear(x, none, {}, base, 3), base.matmul(x)));
  EXPECT_TRUE(at::equal(changed_linear(x, none, ones, base, 3), base.matmul(x)));
}

}  // namespace block_rotation_test
}  // namespace svtune
