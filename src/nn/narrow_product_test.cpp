// Products with weights in a narrower dtype, against those with a widened copy.
#include "nn/narrow_product.h"

#include <gtest/gtest.h>

#include "base/errors.h"
#include "libtorch/prelude.h"
#include "nn/base_weight.h"
#include "nn/ops/cross_entropy.h"

namespace svtune {
namespace narrow_product_test {

// Sums of some hundred to some thousand fp32 terms, in another order.
constexpr double kRounding = 5e-6;

at::Tensor random(at::IntArrayRef shape, at::ScalarType dtype, std::uint64_t seed) {
  const at::Generator generator = at::detail::createCPUGenerator(seed);
  return at::randn(shape, generator, at::TensorOptions().dtype(at::kFloat)).to(dtype);
}

double relative(const at::Tensor& got, const at::Tensor& wanted) {
  const at::Tensor reference = wanted.detach().to(at::kDouble);
  return ((got.detach().to(at::kDouble) - reference).norm() / reference.norm()).item<double>();
}

struct Case {
  std::int64_t rows, out, in;
  at::ScalarType stored = at::kBFloat16;
};

// One row, a few, many; outputs that no block divides; more weights than one piece holds.
const Case kCases[] = {{1, 64, 32},     {3, 131, 40},           {8, 1030, 24},
                       {9, 131, 40},    {70, 2100, 1100},       {5, 50, 33, at::kHalf},
                       {40, 300, 5000}, {20, 99, 64, at::kHalf}};

TEST(NarrowProduct, EqualsTheProductWithAWidenedCopy) {
  for (const Case& each : kCases) {
    const at::Tensor stored = random({each.out, each.in}, each.stored, 1);
    const at::Tensor wide = stored.to(at::kDouble);
    const at::Tensor x = random({each.rows, each.in}, at::kFloat, 2);
    const at::Tensor g = random({each.rows, each.out}, at::kFloat, 3);
    const std::string place = std::to_string(each.rows) + " x " + std::to_string(each.out);
    EXPECT_LT(relative(narrow_product(x, stored), at::mm(x.to(at::kDouble), wide.t())), kRounding)
        << place;
    EXPECT_LT(relative(narrow_product_transposed(g, stored), at::mm(g.to(at::kDouble), wide)),
              kRounding)
        << place;
  }
}

TEST(NarrowProduct, RowsDoNotDependOnTheirNumber) {
  const at::Tensor stored = random({131, 40}, at::kBFloat16, 1);
  const at::Tensor x = random({8, 40}, at::kFloat, 2);
  const at::Tensor together = narrow_product(x, stored);
  for (std::int64_t i = 0; i < 8; ++i) {
    EXPECT_TRUE(at::equal(narrow_product(x.narrow(0, i, 1), stored), together.narrow(0, i, 1)));
  }
}

TEST(NarrowProduct, FewRowsDoNotDependOnTheThreads) {
  const at::Tensor stored = random({1027, 40}, at::kBFloat16, 1);
  const at::Tensor x = random({2, 40}, at::kFloat, 2);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor alone = narrow_product(x, stored);
  at::set_num_threads(3);
  const at::Tensor by_three = narrow_product(x, stored);
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(alone, by_three));
}

TEST(NarrowWeight, ValueAndGradientAreThoseOfAWidenedCopy) {
  const at::Tensor stored = random({200, 48}, at::kBFloat16, 1);
  const BaseWeight narrow(stored, at::kFloat), wide(stored.to(at::kFloat));
  EXPECT_EQ(narrow.dtype(), at::kFloat);
  EXPECT_EQ(narrow.nbytes(), 200 * 48 * 2);
  const at::Tensor x = random({30, 48}, at::kFloat, 2).requires_grad_(true);
  const at::Tensor y = x.detach().clone().requires_grad_(true);
  const at::Tensor direction = random({30, 200}, at::kFloat, 3);
  const at::Tensor got = narrow.matmul(x), wanted = wide.matmul(y);
  EXPECT_LT(relative(got, wanted), kRounding);
  (got * direction).sum().backward();
  (wanted * direction).sum().backward();
  EXPECT_LT(relative(x.grad(), y.grad()), kRounding);
}

TEST(NarrowWeight, BranchesAreAddedInTheDtypeOfTheProducts) {
  const at::Tensor stored = random({90, 48}, at::kBFloat16, 1);
  const BaseWeight narrow(stored, at::kFloat), wide(stored.to(at::kFloat));
  const at::Tensor x = random({12, 48}, at::kFloat, 2), g = random({12, 90}, at::kFloat, 3);
  const ThinProduct up{random({12, 4}, at::kFloat, 4),
                       random({4, 90}, at::kFloat, 5),
                       0.5,
                       {},
                       random({90}, at::kFloat, 6)};
  const ThinProduct down{random({12, 4}, at::kFloat, 7), random({4, 48}, at::kFloat, 8), 2.0,
                         random({12, 48}, at::kFloat, 9)};
  EXPECT_LT(relative(narrow.matmul(x, up), wide.matmul(x, up)), kRounding);
  EXPECT_LT(relative(narrow.matmul_transposed(g, down), wide.matmul_transposed(g, down)),
            kRounding);
}

TEST(NarrowWeight, DenseFormsHoldTheStoredValues) {
  const at::Tensor stored = random({9, 7}, at::kBFloat16, 1);
  const BaseWeight weight(stored, at::kFloat);
  EXPECT_EQ(weight.stored().const_data_ptr(), stored.const_data_ptr());
  EXPECT_EQ(weight.dense().scalar_type(), at::kFloat);
  EXPECT_TRUE(at::equal(weight.dense(), stored.to(at::kFloat)));
  EXPECT_TRUE(at::equal(weight.dense_high_precision(), stored.to(at::kFloat)));
}

TEST(NarrowWeight, RefusesProductsThatWouldRoundTheWeight) {
  EXPECT_THROW(BaseWeight(at::zeros({2, 2}), at::kBFloat16), ModelError);
  EXPECT_NO_THROW(BaseWeight(at::zeros({2, 2}), at::kFloat));
}

// More rows than one tile of logits holds.
TEST(NarrowHead, LossAndGradientAreThoseOfAWidenedCopy) {
  const std::int64_t vocabulary = 300'000, rows = 70;
  const at::Tensor stored = random({vocabulary, 8}, at::kBFloat16, 1);
  const at::Tensor x = random({rows, 8}, at::kFloat, 2).requires_grad_(true);
  const at::Tensor y = x.detach().clone().requires_grad_(true);
  const at::Tensor targets = at::arange(rows, at::TensorOptions().dtype(at::kLong)) * 4001;
  const at::Tensor got = cross_entropy_tiled(x, stored, targets, {});
  const at::Tensor wanted = cross_entropy_tiled(y, stored.to(at::kFloat), targets, {});
  EXPECT_NEAR(got.item<double>(), wanted.item<double>(), kRounding * wanted.item<double>());
  got.backward();
  wanted.backward();
  EXPECT_LT(relative(x.grad(), y.grad()), kRounding);
}

}  // namespace narrow_product_test
}  // namespace svtune
