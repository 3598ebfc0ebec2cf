// Products in int8 against fp64, with bounds that follow from the steps of the codes.
#include "nn/int8_weight.h"

#include <gtest/gtest.h>

#include <limits>
#include <utility>

#include "base/errors.h"
#include "libtorch/prelude.h"
#include "nn/base_weight.h"
#include "nn/int8_rows.h"

namespace svtune {
namespace int8_weight_test {

// Relative, of a few fp32 operations on a value.
constexpr double kFp32 = 1e-6;
// Half a step of bf16, relative.
constexpr double kBf16 = 0x1p-8;

at::Tensor random(at::IntArrayRef shape, at::ScalarType dtype, std::uint64_t seed) {
  const at::Generator generator = at::detail::createCPUGenerator(seed);
  return at::randn(shape, generator, at::TensorOptions().dtype(at::kFloat)).to(dtype);
}

at::Tensor wide(const at::Tensor& tensor) { return tensor.detach().to(at::kDouble); }

// Largest magnitude of each row / 127, [rows, 1].
at::Tensor steps_of(const at::Tensor& rows) { return wide(rows).abs().amax({1}, true) / 127; }

// No element of |got - wanted| is above `bound`.
void expect_within(const at::Tensor& got, const at::Tensor& wanted, const at::Tensor& bound) {
  ASSERT_EQ(got.sizes(), wanted.sizes());
  const at::Tensor excess = (wide(got) - wanted).abs() - bound;
  EXPECT_LE(excess.max().item<double>(), 0);
}

double relative(const at::Tensor& got, const at::Tensor& wanted) {
  return ((wide(got) - wide(wanted)).norm() / wide(wanted).norm()).item<double>();
}

class Int8 : public testing::Test {
 protected:
  void SetUp() override {
    if (!int8_products_are_exact()) GTEST_SKIP() << "int8 products saturate on this processor";
  }
};

at::Tensor values_of(const Int8Rows& rows) {
  at::Tensor steps = wide(rows.codes.select(1, 0));
  if (rows.parts() == 2) steps = steps + wide(rows.codes.select(1, 1)) / 254;
  return steps * wide(rows.scales).unsqueeze(1);
}

TEST(Int8Rows, AreWithinHalfAStep) {
  const at::Tensor factors = random({37}, at::kFloat, 3).abs();
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const bool scaled : {false, true}) {
      const at::Tensor x = random({21, 37}, dtype, 1);
      x.select(0, 4).zero_();
      const at::Tensor scale = scaled ? factors : at::Tensor();
      const at::Tensor wanted = scaled ? wide(x) * wide(factors) : wide(x);
      for (const std::int64_t parts : {1, 2}) {
        const at::Tensor half = steps_of(wanted) * (parts == 1 ? 0.5 : 1 / 508.0);
        // An fp32 division and product leave a code's multiple uncertain by 127 of their steps.
        const at::Tensor bound = half + steps_of(wanted) * 127 * kFp32;
        expect_within(values_of(int8_rows(x, scale, parts)), wanted, bound.expand_as(wanted));
        expect_within(values_of(int8_rows_plain(x, scale, parts)), wanted, bound.expand_as(wanted));
      }
    }
  }
}

TEST(Int8Rows, SumsBecomeTheValuesOfThePlainForm) {
  const at::Tensor sums = (random({9, 2, 35}, at::kFloat, 1) * 1e5).to(at::kInt);
  const at::Tensor rows = random({9}, at::kFloat, 2), columns = random({35}, at::kFloat, 3);
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const std::int64_t parts : {1, 2}) {
      const at::Tensor own = sums.narrow(1, 0, parts).contiguous();
      for (const bool accumulate : {false, true}) {
        for (const at::Tensor& scales : {columns, at::Tensor()}) {
          const at::Tensor got = random({9, 35}, dtype, 4), wanted = got.clone();
          combine_int8_sums(own, rows, scales, got, accumulate);
          combine_int8_sums_plain(own, rows, scales, wanted, accumulate);
          EXPECT_LT(relative(got, wanted), dtype == at::kFloat ? kFp32 : kBf16);
        }
      }
    }
  }
}

TEST(Int8Rows, ColumnMagnitudesAreThoseOfAllRows) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const std::int64_t rows : {1, 64, 150}) {
      const at::Tensor x = random({rows, 37}, dtype, 1);
      EXPECT_TRUE(at::equal(column_magnitudes(x), x.abs().amax({0}).to(at::kFloat)));
    }
  }
}

TEST(Int8Rows, NanAndInfinityReachTheScale) {
  const at::Tensor x = random({3, 20}, at::kFloat, 1);
  x.select(0, 0).narrow(0, 5, 1).fill_(std::numeric_limits<float>::quiet_NaN());
  x.select(0, 1).narrow(0, 19, 1).fill_(-std::numeric_limits<float>::infinity());
  const at::Tensor finite = int8_rows(x, {}, 2).scales.isfinite();
  EXPECT_FALSE(finite.select(0, 0).item<bool>());
  EXPECT_FALSE(finite.select(0, 1).item<bool>());
  EXPECT_TRUE(finite.select(0, 2).item<bool>());
}

struct Case {
  std::int64_t rows, out, in;
  at::ScalarType dtype = at::kFloat;
};
// One row, a few, many; sizes that nothing divides.
const Case kCases[] = {
    {1, 64, 32}, {3, 131, 40}, {70, 300, 211}, {20, 99, 1001}, {5, 50, 33, at::kBFloat16}};

// Every value of x is off by at most 1/508 of its row's step, every one of g by half a step.
TEST_F(Int8, ProductsAreThoseOfTheCodesWithinTheStepsOfTheOperands) {
  for (const Case& each : kCases) {
    const Int8Weight weight(random({each.out, each.in}, each.dtype, 1));
    const at::Tensor x = random({each.rows, each.in}, each.dtype, 2);
    const at::Tensor g = random({each.rows, each.out}, each.dtype, 3);
    const double rounding = each.dtype == at::kFloat ? kFp32 : kBf16;
    const at::Tensor w = wide(weight.dense());
    const at::Tensor y = wide(x).mm(w.t()), z = wide(g).mm(w);
    const at::Tensor sizes = wide(x).abs().mm(w.abs().t());
    expect_within(weight.product(x), y,
                  steps_of(x) / 508 * w.abs().sum({1}) + sizes * kFp32 * 20 + y.abs() * rounding);
    // The rows' scales are in g when it is rounded: the codes are what is left of W.
    const at::Tensor scales = wide(weight.dense()).abs().amax({1}) / 127;
    const at::Tensor codes = w / scales.unsqueeze(1);
    expect_within(weight.product_transposed(g), z,
                  steps_of(wide(g) * scales) / 2 * codes.abs().sum({0}) +
                      wide(g).abs().mm(w.abs()) * kFp32 * 20 + z.abs() * rounding);
  }
}

// One column of ten thousand times the others would leave one part of them nothing.
TEST_F(Int8, ExactColumnsLeaveTheOthersTheirOwnStep) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor dense = random({60, 100}, dtype, 1);
    const Int8Weight weight(dense, Int8Input::kExactColumns);
    const at::Tensor x = random({20, 100}, dtype, 2);
    x.select(1, 41).mul_(1e4);
    const at::Tensor w = wide(weight.dense()), y = wide(x).mm(w.t());
    const double rounding = dtype == at::kFloat ? kFp32 * 20 : kBf16;
    const at::Tensor others = x.clone();
    others.select(1, 41).zero_();
    expect_within(
        weight.product(x), y,
        steps_of(others) / 2 * w.abs().sum({1}) + wide(x).abs().mm(w.abs().t()) * rounding);
    const at::Tensor sum = random({20, 60}, dtype, 3);
    EXPECT_LT(relative(weight.product(x, sum.clone()), y + wide(sum)), rounding * 10);
  }
}

TEST_F(Int8, CodesAreWithinHalfAStepOfTheMatrix) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    const at::Tensor dense = random({40, 60}, dtype, 1);
    const Int8Weight weight(dense);
    EXPECT_EQ(weight.nbytes(), 40 * 60 + 40 * 4);
    expect_within(weight.dense(), wide(dense),
                  (steps_of(dense) * (0.5 + 127 * kFp32)).expand({40, 60}));
  }
}

TEST_F(Int8, ResultsDependNeitherOnThreadsNorOnOtherRows) {
  const Int8Weight weight(random({131, 200}, at::kFloat, 1));
  const at::Tensor x = random({150, 200}, at::kFloat, 2), g = random({150, 131}, at::kFloat, 3);
  const at::Tensor y = weight.product(x), z = weight.product_transposed(g);
  const int threads = at::get_num_threads();
  at::set_num_threads(threads == 1 ? 3 : 1);
  EXPECT_TRUE(at::equal(weight.product(x), y));
  EXPECT_TRUE(at::equal(weight.product_transposed(g), z));
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(weight.product(x.narrow(0, 30, 7)), y.narrow(0, 30, 7)));
  EXPECT_TRUE(at::equal(weight.product_transposed(g.narrow(0, 30, 7)), z.narrow(0, 30, 7)));
}

TEST_F(Int8, BrokenValuesStayBroken) {
  const Int8Weight weight(random({30, 20}, at::kFloat, 1));
  const at::Tensor x = random({2, 20}, at::kFloat, 2);
  x.select(0, 1).narrow(0, 3, 1).fill_(std::numeric_limits<float>::quiet_NaN());
  const at::Tensor y = weight.product(x);
  EXPECT_TRUE(y.select(0, 0).isfinite().all().item<bool>());
  EXPECT_TRUE(y.select(0, 1).isnan().all().item<bool>());
}

TEST_F(Int8, BaseWeightTakesTheGradientThroughTheSameCodes) {
  const at::Tensor dense = random({80, 48}, at::kBFloat16, 1);
  const BaseWeight weight = BaseWeight(dense, at::kFloat).with_int8_products();
  EXPECT_TRUE(at::equal(weight.dense(), dense.to(at::kFloat)));
  const at::Tensor x = random({30, 48}, at::kFloat, 2).requires_grad_(true);
  const at::Tensor direction = random({30, 80}, at::kFloat, 3);
  const at::Tensor y = weight.matmul(x);
  EXPECT_TRUE(at::equal(y, weight.int8()->product(x)));
  (y * direction).sum().backward();
  EXPECT_TRUE(at::equal(x.grad(), weight.int8()->product_transposed(direction)));
  // Half a step of 127 in every factor, uniform: 1 / (127 √12) of a largest magnitude of three
  // standard deviations is 0.7 %.
  EXPECT_LT(relative(y, at::mm(x.detach(), dense.to(at::kFloat).t())), 0.01);
  EXPECT_LT(relative(x.grad(), at::mm(direction, dense.to(at::kFloat))), 0.014);
}

TEST_F(Int8, BranchesAreAdded) {
  const at::Tensor dense = random({90, 48}, at::kFloat, 1);
  const BaseWeight weight = BaseWeight(dense).with_int8_products();
  const at::Tensor x = random({12, 48}, at::kFloat, 2), g = random({12, 90}, at::kFloat, 3);
  const ThinProduct up{random({12, 4}, at::kFloat, 4),
                       random({4, 90}, at::kFloat, 5),
                       0.5,
                       {},
                       random({90}, at::kFloat, 6)};
  const ThinProduct down{random({12, 4}, at::kFloat, 7), random({4, 48}, at::kFloat, 8), 2.0,
                         random({12, 48}, at::kFloat, 9)};
  EXPECT_LT(
      relative(weight.matmul(x, up), weight.matmul(x) + 0.5 * at::mm(up.left, up.right) + up.bias),
      kFp32);
  EXPECT_LT(relative(weight.matmul_transposed(g, down),
                     weight.matmul_transposed(g) + 2 * at::mm(down.left, down.right) * down.mask),
            kFp32);
}

// As ThinProduct.FarBelowHalfAStepMovesTheMeanInBf16 of exact products.
TEST_F(Int8, ABranchFarBelowHalfAStepMovesTheMeanInBf16) {
  const BaseWeight weight = BaseWeight(random({256, 64}, at::kBFloat16, 1)).with_int8_products();
  const at::Tensor x = random({512, 64}, at::kBFloat16, 2),
                   left = random({512, 4}, at::kBFloat16, 3),
                   right = random({4, 256}, at::kBFloat16, 4);
  constexpr double kScale = 2.5e-3;
  const at::Tensor branch = wide(left).mm(wide(right)) * kScale;
  // The product itself before it is rounded.
  const at::Tensor exact = wide(weight.int8()->product(x.to(at::kFloat)));
  const at::Tensor y = weight.matmul(x, {.left = left, .right = right, .scale = kScale});
  const double share = (((wide(y) - exact) * branch).sum() / branch.square().sum()).item<double>();
  EXPECT_NEAR(share, 1, 0.05);
}

TEST_F(Int8, AStoredInt8MatrixIsUsedAsItIs) {
  const at::Tensor dense = random({40, 64}, at::kFloat, 1);
  const auto stored =
      std::make_shared<QuantizedMatrix>(quantize(dense, {.type = QuantType::kInt8}));
  const Int8Weight weight(*stored);
  EXPECT_EQ(weight.nbytes(), 40 * 4);
  EXPECT_LT(relative(weight.dense(), stored->dequantize(at::kFloat)), kFp32);
  const auto four_bit =
      std::make_shared<QuantizedMatrix>(quantize(dense, {.type = QuantType::kNf4}));
  // Of the values that 4 bits stand for, not of those before.
  EXPECT_LT(relative(Int8Weight(*four_bit).dense(), four_bit->dequantize(at::kFloat)), 0.01);
}

TEST_F(Int8, RefusesWhatSumsCouldOverflow) {
  EXPECT_THROW(Int8Weight(at::ones({1, 140'000})), ModelError);
  EXPECT_THROW(BaseWeight(at::zeros({2, 2}, at::kDouble)).with_int8_products(), ModelError);
}

}  // namespace int8_weight_test
}  // namespace svtune
