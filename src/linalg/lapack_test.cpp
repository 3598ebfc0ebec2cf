// Decompositions while several threads work: each against its own residual in fp64. Run by ctest
// under several of MKL's code paths as well (see CMakeLists.txt).
#include "linalg/lapack.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "libtorch/prelude.h"
#include "linalg/parallel.h"
#include "linalg/svd.h"
#include "linalg/svd_test_util.h"

namespace svtune {
namespace lapack_test {

using testing::orthogonality_error;
using testing::random_normal;
using testing::reconstruction_error;

// Sums of n terms in fp64, twice over.
constexpr double kRounding = 1e-11;

constexpr std::int64_t kSizes[] = {512, 576, 896, 1024};

double distance(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

double eigh_error(const at::Tensor& symmetric) {
  const auto [values, vectors] = lapack::eigh(symmetric);
  return std::max(distance(at::mm(vectors * values, vectors.t()), symmetric),
                  distance(lapack::eigvalsh(symmetric), values));
}

double qr_error(const at::Tensor& matrix) {
  const auto [Q, R] = lapack::qr(matrix);
  return std::max(distance(at::mm(Q, R), matrix), orthogonality_error(Q));
}

double svd_error(const at::Tensor& matrix) {
  const auto [U, S, Vh] = lapack::svd(matrix);
  return std::max(
      {distance(at::mm(U * S, Vh), matrix), orthogonality_error(U), orthogonality_error(Vh.t())});
}

using Loop = std::function<void(std::int64_t, const std::function<void(std::int64_t)>&)>;

// The ways in which this project and programs around it may reach LAPACK from several threads.
const std::vector<std::pair<std::string, Loop>>& loops() {
  static const std::vector<std::pair<std::string, Loop>> all = {
      {"for_each_matrix", [](auto count, const auto& work) { for_each_matrix(count, work); }},
      {"for_each_tile", for_each_tile},
      {"a bare parallel region", [](auto count, const auto& work) {
         at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
           for (std::int64_t i = begin; i < end; ++i) work(i);
         });
       }}};
  return all;
}

class Lapack : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override { at::set_num_threads(GetParam()); }
  void TearDown() override { at::set_num_threads(1); }

  // The largest error of `measure` over one matrix per index, all at once.
  double worst(const Loop& loop, std::int64_t size, double (*measure)(const at::Tensor&),
               bool symmetric) {
    std::vector<at::Tensor> matrices;
    for (int i = 0; i < GetParam(); ++i) {
      at::Tensor matrix = random_normal({size, size}, 10 + i);
      if (symmetric) matrix = matrix + matrix.t();
      matrices.push_back(matrix);
    }
    std::vector<double> errors(matrices.size());
    loop(GetParam(), [&](std::int64_t i) { errors[i] = measure(matrices[i]); });
    return *std::max_element(errors.begin(), errors.end());
  }
};

TEST_P(Lapack, DecomposesSeveralMatricesAtOnce) {
  for (const auto& [name, loop] : loops()) {
    for (const std::int64_t size : {kSizes[0], kSizes[1]}) {
      SCOPED_TRACE(name + ", " + std::to_string(size));
      EXPECT_LT(worst(loop, size, eigh_error, true), kRounding);
      EXPECT_LT(worst(loop, size, qr_error, false), kRounding);
      EXPECT_LT(worst(loop, size, svd_error, false), kRounding);
    }
  }
}

TEST_P(Lapack, FullDecompositionsOfSeveralWeightsAtOnceAreExact) {
  std::vector<ThinSvd> found(std::size(kSizes));
  std::vector<at::Tensor> weights;
  for (const std::int64_t size : kSizes) weights.push_back(testing::model_like(size, size, size));
  for_each_matrix(std::size(kSizes), [&](std::int64_t i) { found[i] = full_svd(weights[i]); });
  for (std::size_t i = 0; i < weights.size(); ++i) {
    SCOPED_TRACE(kSizes[i]);
    const ThinSvd& svd = found[i];
    EXPECT_EQ(svd.fallback, "");
    // What svd.h promises of full_svd().
    EXPECT_LT(orthogonality_error(svd.U), 1e-5);
    EXPECT_LT(orthogonality_error(svd.V), 1e-5);
    EXPECT_LT(reconstruction_error(svd.U, svd.S, svd.V, weights[i]), 1e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(Threads, Lapack, ::testing::Values(1, 2, 4));

}  // namespace lapack_test
}  // namespace svtune
