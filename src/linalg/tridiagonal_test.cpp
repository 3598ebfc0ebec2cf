// The partial eigensolver against LAPACK's full one in fp64.
#include "linalg/tridiagonal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "libtorch/prelude.h"
#include "linalg/svd_test_util.h"

namespace svtune::detail {
namespace tridiagonal_test {

at::Tensor gram_of(const at::Tensor& weight) {
  const at::Tensor tall = weight.to(at::kDouble);
  return at::mm(tall.t(), tall).to(at::kFloat);
}

at::Tensor with_eigenvalues(const at::Tensor& values, std::uint64_t seed) {
  const std::int64_t n = values.size(0);
  const at::Tensor weight =
      testing::with_spectrum(n, n, std::get<0>(values.sqrt().sort(0, true)), seed);
  return gram_of(weight);
}

// Values, orthogonality and residuals, all relative to the largest eigenvalue. fp32 reflections
// leave a few units of 6e-8 for each of sqrt(n) roundings that do not cancel.
void expect_leading(const at::Tensor& matrix, std::int64_t count, const std::string& what) {
  constexpr double kTolerance = 3e-6;
  const LeadingEigenpairs found = leading_eigenpairs(matrix, count);
  const auto [values, vectors] = at::linalg_eigh(matrix.to(at::kDouble));
  const std::int64_t n = matrix.size(0);
  const double top = std::max(values[n - 1].item<double>(), 1e-30);
  ASSERT_EQ(found.values.size(), static_cast<std::size_t>(count + 1));
  for (std::int64_t k = 0; k <= count; ++k) {
    EXPECT_NEAR(found.values[static_cast<std::size_t>(k)] / top,
                values[n - 1 - k].item<double>() / top, kTolerance)
        << what << " value " << k;
  }
  EXPECT_LT(testing::orthogonality_error(found.vectors), kTolerance) << what;
  const at::Tensor wide = found.vectors.to(at::kDouble);
  const at::Tensor rayleigh = values.flip(0).narrow(0, 0, count);
  const at::Tensor residual = at::mm(matrix.to(at::kDouble), wide) - wide * rayleigh;
  EXPECT_LT(residual.norm(2, 0).max().item<double>() / top, kTolerance) << what;
}

TEST(LeadingEigenpairs, OfGramMatrices) {
  for (const std::int64_t n : {2, 3, 5, 31, 32, 33, 34, 64, 65, 130, 301}) {
    const at::Tensor gram = gram_of(testing::model_like(n + 50, n, 3));
    for (const std::int64_t count : {std::int64_t{1}, n / 2, n - 1}) {
      expect_leading(gram, count, std::to_string(n) + " " + std::to_string(count));
    }
  }
}

TEST(LeadingEigenpairs, TiesAndClusters) {
  const at::Tensor bulk = at::arange(150, 0, -1, at::kDouble) / 160;
  const at::Tensor ties = at::full({20}, 3.0, at::kDouble);
  expect_leading(with_eigenvalues(at::cat({ties, bulk}), 5), 20, "ties");
  const at::Tensor close = 2 + 1e-6 * at::arange(12, at::kDouble);
  expect_leading(with_eigenvalues(at::cat({close, bulk}), 6), 12, "cluster");
  expect_leading(at::eye(100, at::kFloat), 30, "identity");
}

// Where rows are already zero there is nothing to reflect, and the form falls into pieces.
TEST(LeadingEigenpairs, DiagonalAndSplitMatrices) {
  expect_leading(at::diag(at::arange(1, 81, at::kFloat)), 40, "diagonal");
  at::Tensor blocks = at::zeros({90, 90});
  for (const std::int64_t begin : {0, 30, 60}) {
    blocks.narrow(0, begin, 30).narrow(1, begin, 30).copy_(gram_of(testing::model_like(60, 30, 7)));
  }
  expect_leading(blocks, 25, "three equal blocks");
}

TEST(LeadingEigenpairs, ZeroMatrix) {
  const LeadingEigenpairs found = leading_eigenpairs(at::zeros({40, 40}), 5);
  for (const double value : found.values) EXPECT_EQ(value, 0);
  EXPECT_LT(testing::orthogonality_error(found.vectors), 3e-6);
}

TEST(TridiagonalForm, ReflectionsRebuildTheMatrix) {
  const at::Tensor gram = gram_of(testing::model_like(120, 70, 9));
  const TridiagonalForm form = tridiagonal_form(gram);
  at::Tensor t = at::zeros({70, 70});
  for (std::int64_t i = 0; i < 70; ++i) {
    t[i][i] = form.diagonal[static_cast<std::size_t>(i)];
    if (i == 69) break;
    t[i][i + 1] = form.off_diagonal[static_cast<std::size_t>(i)];
    t[i + 1][i] = form.off_diagonal[static_cast<std::size_t>(i)];
  }
  const at::Tensor q = rotate_back(form, at::eye(70));
  EXPECT_LT(testing::orthogonality_error(q), 3e-6);
  const at::Tensor rebuilt = at::mm(at::mm(q, t), q.t());
  EXPECT_LT(((rebuilt - gram).norm() / gram.norm()).item<double>(), 1e-6);
}

}  // namespace tridiagonal_test
}  // namespace svtune::detail
