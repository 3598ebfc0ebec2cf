// Figures of a weight's spectrum on matrices whose answers are known.
#include "spectrum/spectrum.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "base/errors.h"
#include "libtorch/prelude.h"
#include "linalg/svd.h"

namespace svtune {
namespace spectrum_test {

at::Tensor gaussian(std::int64_t rows, std::int64_t columns, std::uint64_t seed) {
  return at::randn({rows, columns}, at::detail::createCPUGenerator(seed), at::kFloat);
}

// Sums of densities times the width of a bin.
double covered(const std::vector<double>& density) {
  return std::accumulate(density.begin(), density.end(), 0.0) * 2 * kHistogramReach /
         static_cast<double>(kHistogramBins);
}

TEST(Spectrum, GaussianWeightHasANormalDensityAndNf4sKnownError) {
  const SpectrumLayer layer = analyse_weight(gaussian(256, 192, 1), {}, {.rank = 8});
  EXPECT_EQ(layer.sigma.size(), 192u);
  EXPECT_TRUE(std::is_sorted(layer.sigma.rbegin(), layer.sigma.rend()));
  EXPECT_NEAR(covered(layer.weight_density), 1, 1e-3);  // 6e-5 lie beyond 4 deviations
  EXPECT_NEAR(layer.weight_density[kHistogramBins / 2], 0.3989, 0.02);
  // Blocks of 64 normal values: 0.092 relative (methods' reference, measured there as well).
  EXPECT_NEAR(layer.quantised_error, 0.092, 0.002);
  EXPECT_FALSE(layer.update.has_value());
  // The residual keeps the energy of the values that were not taken.
  EXPECT_NEAR(layer.residual_scale * layer.residual_scale, 1 - layer.energy(8), 1e-5);
}

TEST(Spectrum, ResidualIsNarrowerWhereThePrincipalPartIsStrong) {
  const at::Tensor strong = at::mm(gaussian(128, 2, 2), gaussian(2, 96, 3));
  const SpectrumLayer layer = analyse_weight(strong + 0.1 * gaussian(128, 96, 4), {}, {.rank = 2});
  EXPECT_LT(layer.residual_scale, 0.1);
  EXPECT_GT(layer.residual_density[kHistogramBins / 2],
            4 * layer.weight_density[kHistogramBins / 2]);
}

// Changes made of known singular directions lie where they were put.
TEST(Spectrum, UpdateIsFoundInItsThird) {
  for (const auto& [rows, columns] : {std::pair{90, 60}, std::pair{60, 90}, std::pair{60, 60}}) {
    const at::Tensor weight = gaussian(rows, columns, 5);
    const ThinSvd svd = full_svd(weight);
    const auto along = [&](std::int64_t i) {
      return at::mm(svd.U.narrow(1, i, 1), svd.V.narrow(1, i, 1).t());
    };
    const auto shares = [&](const at::Tensor& change) {
      return *analyse_weight(weight, change, {.rank = 4}).update;
    };
    EXPECT_NEAR(shares(along(2)).leading, 1, 1e-5);
    EXPECT_NEAR(shares(along(2)).principal, 1, 1e-5);
    EXPECT_NEAR(shares(along(10)).leading, 0, 1e-5);
    EXPECT_NEAR(shares(along(10)).principal, 1, 1e-5);
    EXPECT_NEAR(shares(along(30)).medium, 1, 1e-5);
    EXPECT_NEAR(shares(along(59)).minor, 1, 1e-5);
    const UpdateShares mixed = shares(3 * along(0) + 4 * along(40));
    EXPECT_NEAR(mixed.principal, 0.36, 1e-5);
    EXPECT_NEAR(mixed.minor, 0.64, 1e-5);
    EXPECT_NEAR(mixed.outside, 0, 1e-5);
    EXPECT_NEAR(mixed.relative_norm, 5 / weight.norm().item<double>(), 1e-6);
  }
}

// A random change of a weight with twice as many rows: its columns fill the directions evenly,
// its rows reach half of the space.
TEST(Spectrum, RandomUpdateSpreadsEvenlyAndOutside) {
  const UpdateShares shares =
      *analyse_weight(gaussian(240, 120, 6), gaussian(240, 120, 7), {.rank = 12}).update;
  for (const double third : {shares.principal, shares.medium, shares.minor}) {
    EXPECT_NEAR(third, 0.25, 0.02);
  }
  EXPECT_NEAR(shares.outside, 0.25, 0.02);
  EXPECT_NEAR(shares.leading, 0.075, 0.01);
}

TEST(Spectrum, ZeroWeightsAndChangesAreNoTrouble) {
  const SpectrumLayer layer = analyse_weight(at::zeros({40, 30}), at::zeros({40, 30}), {});
  EXPECT_EQ(layer.quantised_error, 0);
  EXPECT_EQ(layer.energy(4), 1);
  EXPECT_EQ(layer.update->principal, 0);
  EXPECT_EQ(layer.update->relative_norm, 0);
}

TEST(Spectrum, EntriesThatAreNotFiniteAreRefused) {
  at::Tensor weight = gaussian(20, 10, 8);
  weight[3][4] = std::numeric_limits<float>::infinity();
  EXPECT_THROW(analyse_weight(weight, {}, {}), ModelError);
}

}  // namespace spectrum_test
}  // namespace svtune
