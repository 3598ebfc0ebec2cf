#include "linalg/warm_svd.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "libtorch/prelude.h"
#include "linalg/svd.h"
#include "linalg/svd_test_util.h"

namespace svtune {
namespace warm_svd_test {

using testing::model_like;
using testing::orthogonality_error;
using testing::random_normal;
using testing::reference_svd;

double length(const at::Tensor& tensor) { return tensor.to(at::kDouble).norm().item<double>(); }

// What the rank-r product leaves over, relative to what the best one does.
double excess(const WarmSvd& svd, const at::Tensor& matrix, std::int64_t rank) {
  const at::Tensor product =
      at::mm(svd.U.to(at::kDouble) * svd.S.to(at::kDouble), svd.V.to(at::kDouble).t());
  const at::Tensor S = reference_svd(matrix).S;
  return length(matrix.to(at::kDouble) - product) / length(S.narrow(0, rank, S.size(0) - rank)) - 1;
}

at::Tensor changed(const at::Tensor& matrix, std::uint64_t seed) {
  const at::Tensor noise = random_normal(matrix.sizes(), seed);
  return matrix.to(at::kFloat) + (noise * (0.1 * length(matrix) / length(noise))).to(at::kFloat);
}

TEST(WarmSvd, FollowsAMatrixThatChanged) {
  for (const auto& [out, in] : {std::pair{500, 300}, {300, 500}, {128, 400}, {257, 257}}) {
    for (const std::int64_t rank : {4, 16, 60}) {
      const at::Tensor before = model_like(out, in, 3);
      const TruncatedSvd known = truncated_svd(before, rank);
      const at::Tensor matrix = changed(before, 4);
      const WarmSvd svd = warm_svd(matrix, out < in ? known.U : known.V, {rank, 1, 0});
      SCOPED_TRACE(std::to_string(out) + "x" + std::to_string(in) + " rank " +
                   std::to_string(rank));
      // Energy is captured long before single vectors converge.
      EXPECT_LT(excess(svd, matrix, rank), 2e-3);
      EXPECT_LT(excess(warm_svd(matrix, svd.subspace, {rank, 2, 0}), matrix, rank), 2e-4);
      for (const at::Tensor& factor : {svd.U, svd.V, svd.subspace}) {
        EXPECT_LT(orthogonality_error(factor), 1e-5);
      }
      EXPECT_TRUE(svd.S.narrow(0, 0, rank - 1).ge(svd.S.narrow(0, 1, rank - 1)).all().item<bool>());
    }
  }
}

// The bound is the rounding of bf16, 2^-9, squared: noise that is not correlated with the matrix
// adds its own energy only.
TEST(WarmSvd, RoughProductsCaptureNearlyTheSameEnergy) {
  for (const auto& [out, in] : {std::pair{500, 300}, {300, 500}, {257, 257}}) {
    const at::Tensor matrix = model_like(out, in, 9).to(at::kFloat) + 1e-4;
    for (const std::int64_t rank : {4, 16, 60}) {
      const WarmSvd fine = warm_svd(matrix, {}, {rank, 3, 1});
      const WarmSvd rough = warm_svd(matrix, {}, {rank, 3, 1, /*rough=*/true});
      EXPECT_LT(excess(rough, matrix, rank) - excess(fine, matrix, rank), 1e-4);
      EXPECT_LT(orthogonality_error(rough.subspace), 1e-5);
    }
  }
}

TEST(WarmSvd, StartsFromRandomVectorsToo) {
  const at::Tensor matrix = model_like(300, 200, 5).to(at::kFloat);
  EXPECT_LT(excess(warm_svd(matrix, {}, {10, 4, 1}), matrix, 10), 1e-3);
}

TEST(WarmSvd, RankDeficientAndZeroMatrices) {
  const at::Tensor low =
      testing::with_spectrum(200, 150, at::arange(5, 0, -1, at::kDouble), 6).to(at::kFloat);
  const WarmSvd svd = warm_svd(low, {}, {12, 2, 0});
  const at::Tensor product = at::mm(svd.U * svd.S, svd.V.t());
  EXPECT_LT(length(low - product), 1e-5 * length(low));
  EXPECT_LT(orthogonality_error(svd.V), 1e-5);
  EXPECT_LT(orthogonality_error(svd.subspace), 1e-5);
  const WarmSvd zero = warm_svd(at::zeros({40, 30}), {}, {3, 1, 0});
  EXPECT_EQ(length(zero.S), 0);
  EXPECT_LT(orthogonality_error(zero.V), 1e-5);
}

TEST(WarmSvd, FullRankIsExact) {
  const at::Tensor matrix = random_normal({30, 24}, 7).to(at::kFloat);
  const WarmSvd svd = warm_svd(matrix, {}, {24, 1, 0});
  EXPECT_LT(length(matrix - at::mm(svd.U * svd.S, svd.V.t())), 1e-5 * length(matrix));
}

TEST(WarmSvd, SameBitsForAnyThreadCount) {
  const at::Tensor matrix = model_like(900, 400, 8).to(at::kFloat);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const WarmSvd one = warm_svd(matrix, {}, {16, 2, 0});
  at::set_num_threads(3);
  const WarmSvd three = warm_svd(matrix, {}, {16, 2, 0});
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one.U, three.U));
  EXPECT_TRUE(at::equal(one.V, three.V));
  EXPECT_TRUE(at::equal(one.S, three.S));
}

TEST(WarmSvd, RefusesAnImpossibleRank) {
  const at::Tensor matrix = at::zeros({5, 4});
  EXPECT_THROW(warm_svd(matrix, {}, {5, 1, 0}), std::invalid_argument);
  EXPECT_THROW(warm_svd(matrix, {}, {0, 1, 0}), std::invalid_argument);
  EXPECT_THROW(warm_svd(matrix.to(at::kDouble), {}, {2, 1, 0}), std::invalid_argument);
}

}  // namespace warm_svd_test
}  // namespace svtune
