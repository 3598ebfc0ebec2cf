#include "linalg/leading_eigen.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace leading_eigen_test {

// [n, n] with eigenvalues that fall from 1 to `last`, in fp64; the last ones are zero when `rank`
// is below n.
at::Tensor falling(std::int64_t n, std::int64_t rank, double last, std::uint64_t seed) {
  const at::Tensor Q = std::get<0>(
      at::linalg_qr(at::randn({n, n}, at::detail::createCPUGenerator(seed), at::kDouble)));
  const at::Tensor values = at::pow(last, at::arange(rank, at::kDouble) / (rank - 1.0));
  const at::Tensor some = Q.narrow(1, 0, rank);
  return at::mm(some * values, some.t());
}

// The oracle is LAPACK's full decomposition; values fall by ten orders of magnitude, of which a
// squared matrix would keep five.
void expect_pairs(const at::Tensor& matrix, std::int64_t count) {
  const EigenFactors found = leading_eigen(matrix, count);
  const std::int64_t n = matrix.size(0);
  const auto [values, vectors] = at::linalg_eigh(matrix);
  const at::Tensor wanted = values.narrow(0, n - count, count).flip(0);
  EXPECT_LT((found.values - wanted).abs().max().item<double>(), 1e-13);
  const at::Tensor cosines =
      (found.vectors * vectors.narrow(1, n - count, count).flip(1)).sum(0).abs();
  // Vectors err by rounding over the gap: values here lie 1e-8 apart at least.
  EXPECT_GT(cosines.min().item<double>(), 1 - 1e-6);
  const at::Tensor gram = at::mm(found.vectors.t(), found.vectors);
  EXPECT_LT((gram - at::eye(count, at::kDouble)).abs().max().item<double>(), 1e-12);
}

TEST(LeadingEigen, PairsAreThoseOfLapack) { expect_pairs(falling(60, 60, 1e-10, 1), 40); }

TEST(LeadingEigen, LargeMatricesGoThroughAKrylovSpace) {
  expect_pairs(falling(1100, 1100, 1e-40, 2), 20);
}

TEST(LeadingEigen, MatricesOfLowRankHaveOrthonormalVectors) {
  for (const std::int64_t n : {80, 1100}) {
    const EigenFactors found = leading_eigen(falling(n, 30, 1e-3, 3), 20);
    const at::Tensor gram = at::mm(found.vectors.t(), found.vectors);
    EXPECT_LT((gram - at::eye(20, at::kDouble)).abs().max().item<double>(), 1e-10) << n;
    EXPECT_NEAR(found.values[0].item<double>(), 1, 1e-12);
  }
}

TEST(LeadingEigen, EntriesThatAreNotFiniteAreRefused) {
  at::Tensor matrix = falling(10, 10, 0.1, 4);
  matrix[3][3] = std::numeric_limits<double>::infinity();
  EXPECT_THROW(leading_eigen(matrix, 2), ModelError);
}

}  // namespace leading_eigen_test
}  // namespace svtune
