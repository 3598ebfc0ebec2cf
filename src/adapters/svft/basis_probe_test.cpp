// A probe estimates how far two bases are apart, and sees what would change an update.
#include "adapters/svft/basis_probe.h"

#include <gtest/gtest.h>

#include <cmath>

#include "adapters/svft/positions.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace basis_probe_test {

struct Basis {
  at::Tensor Uh, Vh;
};

Basis basis_of(std::int64_t out, std::int64_t in) {
  at::Generator generator = at::detail::createCPUGenerator(3);
  const auto [U, S, Vh] =
      at::linalg_svd(at::randn({out, in}, generator, at::kDouble), /*full_matrices=*/false);
  return {U.t().contiguous(), Vh.contiguous()};
}

// Directions `first` and the next turned by `angle` within the plane that they span.
at::Tensor turned(const at::Tensor& directions, std::int64_t first, double angle) {
  at::Tensor copy = directions.clone();
  const at::Tensor a = directions[first], b = directions[first + 1];
  copy[first].copy_(a * std::cos(angle) + b * std::sin(angle));
  copy[first + 1].copy_(b * std::cos(angle) - a * std::sin(angle));
  return copy;
}

double distance(const SparsePattern& pattern, const Basis& a, const Basis& b) {
  return probe_distance(basis_probe(pattern, a.Uh, a.Vh), basis_probe(pattern, b.Uh, b.Vh),
                        pattern.count());
}

constexpr std::int64_t kOut = 300, kIn = 240, kBand = 4;

TEST(BasisProbe, OfTheSameBasisIsTheSame) {
  const SparsePattern pattern(kIn, banded_positions(kIn, kBand));
  const Basis basis = basis_of(kOut, kIn);
  EXPECT_EQ(distance(pattern, basis, basis), 0);
}

// Sixteen squares of random signs: their mean is within a factor of two, and never far below.
TEST(BasisProbe, EstimatesTheErrorOfAnUpdate) {
  const SparsePattern pattern(kIn, banded_positions(kIn, kBand));
  const Basis basis = basis_of(kOut, kIn);
  at::Generator generator = at::detail::createCPUGenerator(4);
  const at::Tensor noise = at::randn({kIn, kOut}, generator, at::kDouble) / std::sqrt(kOut);
  for (const double size : {1e-4, 1e-2}) {
    const double got = distance(pattern, basis, {basis.Uh + size * noise, basis.Vh});
    EXPECT_GT(got, 0.5 * size);
    EXPECT_LT(got, 2 * size);
  }
}

TEST(BasisProbe, ToleratesRoundingToBf16) {
  const SparsePattern pattern(kIn, banded_positions(kIn, kBand));
  const Basis basis = basis_of(kOut, kIn);
  const Basis rounded{basis.Uh.to(at::kBFloat16), basis.Vh.to(at::kBFloat16)};
  EXPECT_LT(distance(pattern, basis, rounded), kProbeTolerance);
}

TEST(BasisProbe, SeesOnePairOfOtherSignAndOneTurnedPair) {
  const SparsePattern pattern(kIn, banded_positions(kIn, kBand));
  const Basis basis = basis_of(kOut, kIn);
  Basis other{basis.Uh.clone(), basis.Vh.clone()};
  other.Uh[17].neg_();
  other.Vh[17].neg_();
  EXPECT_GT(distance(pattern, basis, other), 10 * kProbeTolerance);
  constexpr double kQuarter = 0.7853981633974483;
  const Basis mixed{turned(basis.Uh, 100, kQuarter), turned(basis.Vh, 100, kQuarter)};
  EXPECT_GT(distance(pattern, basis, mixed), 10 * kProbeTolerance);
}

// u_i m v_iᵀ keeps its value when both change sign.
TEST(BasisProbe, LetsSignsOfPairsPassOnTheDiagonal) {
  const SparsePattern pattern(kIn, banded_positions(kIn, 0));
  const Basis basis = basis_of(kOut, kIn);
  Basis other{basis.Uh.clone(), basis.Vh.clone()};
  other.Uh[17].neg_();
  other.Vh[17].neg_();
  EXPECT_LT(distance(pattern, basis, other), 1e-6);
}

}  // namespace basis_probe_test
}  // namespace svtune
