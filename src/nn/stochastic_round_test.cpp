#include "nn/ops/stochastic_round.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "libtorch/prelude.h"

namespace svtune {
namespace stochastic_round_test {

constexpr at::ScalarType kTypes[] = {at::kBFloat16, at::kHalf};

at::Tensor spread_values(double deviation) {
  const at::Generator generator = at::detail::createCPUGenerator(1);
  return at::randn({100'000}, generator) * deviation;
}

TEST(StochasticRound, GoesToOneOfTheTwoNeighbours) {
  for (const at::ScalarType type : kTypes) {
    for (const double deviation : {1.0, 1e-5, 3e-8}) {  // fp16: normal, subnormal, below its steps
      const at::Tensor values = spread_values(deviation);
      const at::Tensor error =
          (round_stochastically(values, type, 3).to(at::kDouble) - values.to(at::kDouble)).abs();
      // Steps are 2^-7 and 2^-10 of the value's power of two, and never below 2^-24 in fp16.
      const at::Tensor power = values.abs().to(at::kDouble).log2().floor().exp2();
      at::Tensor step = power * (type == at::kBFloat16 ? 0x1p-7 : 0x1p-10);
      if (type == at::kHalf) step = step.clamp_min(0x1p-24);
      EXPECT_TRUE((error < step).all().item<bool>()) << type << " " << deviation;
    }
  }
}

TEST(StochasticRound, IsRightInTheMean) {
  for (const at::ScalarType type : kTypes) {
    for (const float value : {1.0003f, -0.37f, 3.1e-6f}) {
      const at::Tensor rounded =
          round_stochastically(at::full({1'000'000}, value), type, 5).to(at::kDouble);
      const at::Tensor low = rounded.min(), high = rounded.max();
      EXPECT_TRUE(rounded.eq(low).logical_or(rounded.eq(high)).all().item<bool>());
      const double step = (high - low).item<double>();
      // Five standard errors of a coin: at most half a step over the root of a million.
      EXPECT_NEAR(rounded.mean().item<double>(), value, 5 * step / 2000) << type << " " << value;
    }
  }
}

TEST(StochasticRound, LeavesTheGridAndWhatIsNotFinite) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const at::ScalarType type : kTypes) {
    const at::Tensor grid = at::arange(0, 1 << 16, at::kInt).to(at::kShort).view(type);
    const at::Tensor on_grid = grid.masked_select(at::isnan(grid).logical_not());
    EXPECT_TRUE(at::equal(round_stochastically(on_grid.to(at::kFloat), type, 9), on_grid));
    const at::Tensor special =
        at::tensor({kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()});
    const at::Tensor rounded = round_stochastically(special, type, 9);
    EXPECT_TRUE(at::equal(rounded.narrow(0, 0, 2).to(at::kFloat), special.narrow(0, 0, 2)));
    EXPECT_TRUE(at::isnan(rounded[2]).item<bool>());
    // The largest finite value and a little more: nearest is finite, so all draws are.
    const float largest = type == at::kHalf ? 65519.0f : 3.3930e38f;
    const at::Tensor edge = round_stochastically(at::full({1000}, largest), type, 9);
    EXPECT_TRUE(at::isfinite(edge).all().item<bool>()) << type;
  }
}

TEST(StochasticRound, DependsOnSeedAndIndexAlone) {
  const at::Tensor values = spread_values(1.0);
  const at::Tensor whole = round_stochastically(values, at::kBFloat16, 1);
  EXPECT_TRUE(at::equal(round_stochastically(values, at::kBFloat16, 1), whole));
  EXPECT_FALSE(at::equal(round_stochastically(values, at::kBFloat16, 2), whole));
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  EXPECT_TRUE(at::equal(round_stochastically(values, at::kBFloat16, 1), whole));
  at::set_num_threads(threads);
  EXPECT_NE(rounding_seed(0, "a.weight"), rounding_seed(0, "b.weight"));
  EXPECT_NE(rounding_seed(0, "a.weight"), rounding_seed(1, "a.weight"));
}

// left ∘ scale + right in fp32, of which each value is rounded to a neighbour.
TEST(RoundedSum, GoesToANeighbourOfTheSum) {
  const at::Tensor left = spread_values(1.0).view({400, 250}).to(at::kBFloat16);
  const at::Tensor right = (spread_values(1e-3).flip(0).view({400, 250})).to(at::kBFloat16);
  const at::Tensor scale = at::linspace(0.9, 1.1, 250, at::kFloat);
  for (const bool scaled : {false, true}) {
    for (const bool added : {false, true}) {
      at::Tensor sum = left.to(at::kFloat);
      if (scaled) sum = sum * scale;
      if (added) sum = sum + right;
      const at::Tensor got =
          rounded_sum(left, scaled ? scale : at::Tensor(), added ? right : at::Tensor(), 3);
      const at::Tensor error = (got.to(at::kDouble) - sum.to(at::kDouble)).abs();
      // A step is 2^-7 of the power of two below; sums of two near the next one have one more bit.
      const at::Tensor step = sum.abs().to(at::kDouble).log2().floor().exp2() * 0x1p-7;
      EXPECT_TRUE((error <= step).all().item<bool>()) << scaled << added;
      EXPECT_EQ(at::equal(got, left), !scaled && !added);
    }
  }
}

// A change of a tenth of a step: to nearest it would leave every value as it was.
TEST(RoundedSum, KeepsWhatIsFarBelowAStepInTheMean) {
  const at::Tensor left = at::ones({1000, 1000}, at::kBFloat16);
  const at::Tensor right = at::full({1000, 1000}, 0x1p-7 / 10, at::kBFloat16);
  const double wanted = right[0][0].item<double>();
  const at::Tensor change = rounded_sum(left, {}, right, 7).to(at::kDouble) - 1;
  // Five standard errors: a step of 2^-7 in a tenth of a million cases.
  EXPECT_NEAR(change.mean().item<double>(), wanted, 5 * 0.3 * 0x1p-7 / 1000);
  // No row and no column is favoured.
  for (const std::int64_t dim : {0, 1}) {
    const at::Tensor means = change.mean(at::IntArrayRef({dim}));
    EXPECT_LT((means - wanted).abs().max().item<double>(), 6 * 0.3 * 0x1p-7 / std::sqrt(1000.0));
  }
}

TEST(RoundedSum, DependsOnSeedAndPlaceAlone) {
  const at::Tensor left = spread_values(1.0).view({1000, 100}).to(at::kBFloat16);
  const at::Tensor right = (spread_values(1.0).view({1000, 100}) * 1e-3).to(at::kBFloat16);
  const at::Tensor whole = rounded_sum(left, {}, right, 1);
  EXPECT_FALSE(at::equal(rounded_sum(left, {}, right, 2), whole));
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  EXPECT_TRUE(at::equal(rounded_sum(left, {}, right, 1), whole));
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(rounded_sum(left.t().contiguous().t(), {}, right, 1), whole));
}

}  // namespace stochastic_round_test
}  // namespace svtune
