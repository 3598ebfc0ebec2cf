#include "adapters/svft/sparse_matrix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/svft/positions.h"
#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace sparse_matrix_test {

constexpr std::int64_t kSize = 75;

at::Tensor seeded(at::IntArrayRef shape, std::uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  return at::randn(shape, generator, at::kDouble);
}

double relative(const at::Tensor& got, const at::Tensor& expected) {
  return ((got.to(at::kDouble) - expected).norm() / expected.norm()).item<double>();
}

struct Case {
  at::ScalarType dtype;
  double tolerance;  // storage rounding of the result; sums are fp32 or fp64
};
constexpr Case kCases[] = {{at::kDouble, 1e-14},
                           {at::kFloat, 1e-6},
                           {at::kBFloat16, 4e-3},
                           {at::kHalf, 2e-3}};  // fp16 takes the dense path

TEST(SparsePattern, ProductsEqualTheDenseMatrix) {
  for (const at::Tensor& positions :
       {banded_positions(kSize, 0), banded_positions(kSize, 5), random_positions(kSize, 600, 3)}) {
    const SparsePattern pattern(kSize, positions);
    for (const auto& [dtype, tolerance] : kCases) {
      for (const std::int64_t width : {1, 63, 64, 200}) {
        const auto sums = dtype == at::kDouble ? at::kDouble : at::kFloat;
        const at::Tensor values = seeded({pattern.count()}, 1).to(sums);
        const at::Tensor diagonal = seeded({kSize}, 2).to(sums);
        const at::Tensor x = seeded({kSize, width}, 3).to(dtype);
        const at::Tensor exact = x.to(at::kDouble);
        const at::Tensor M = pattern.dense(values).to(at::kDouble);
        const at::Tensor with_diagonal = M + diagonal.to(at::kDouble).diag();
        EXPECT_LT(relative(pattern.apply(values, x), at::mm(M, exact)), tolerance);
        EXPECT_LT(relative(pattern.apply_transposed(values, x), at::mm(M.t(), exact)), tolerance);
        EXPECT_LT(relative(pattern.apply(values, x, diagonal), at::mm(with_diagonal, exact)),
                  tolerance);
        EXPECT_LT(relative(pattern.apply_transposed(values, x, diagonal),
                           at::mm(with_diagonal.t(), exact)),
                  tolerance);
        EXPECT_LT(relative(pattern.mix(values, x), at::mm(M, exact).t()), tolerance);
        EXPECT_LT(relative(pattern.mix_transposed(values, x, diagonal),
                           at::mm(with_diagonal.t(), exact).t()),
                  tolerance);
      }
    }
  }
}

TEST(SparsePattern, SampledProductEqualsTheDenseOneAtThePositions) {
  for (const at::Tensor& positions :
       {banded_positions(kSize, 3), random_positions(kSize, 500, 4)}) {
    const SparsePattern pattern(kSize, positions);
    for (const auto& [dtype, tolerance] : kCases) {
      for (const std::int64_t width : {1, 130, 259, 600}) {
        const at::Tensor left = seeded({kSize, width}, 5).to(dtype);
        const at::Tensor right = seeded({kSize, width}, 6).to(dtype);
        const at::Tensor full = at::mm(left.to(at::kDouble), right.to(at::kDouble).t());
        const at::Tensor flat = positions[0].to(at::kLong) * kSize + positions[1].to(at::kLong);
        const at::Tensor got = pattern.sampled_product(left, right);
        // Sums are fp32 or better whatever the storage.
        EXPECT_LT(relative(got, full.flatten().index_select(0, flat)),
                  dtype == at::kDouble ? 1e-14 : 1e-6);
      }
    }
  }
}

TEST(SparsePattern, SameBitsForAnyThreadCount) {
  const SparsePattern pattern(kSize, random_positions(kSize, 700, 7));
  const at::Tensor values = seeded({700}, 8).to(at::kFloat),
                   x = seeded({kSize, 300}, 9).to(at::kFloat);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = pattern.apply(values, x), dots = pattern.sampled_product(x, x);
  const at::Tensor mixed = pattern.mix(values, x);
  at::set_num_threads(3);
  EXPECT_TRUE(one.equal(pattern.apply(values, x)));
  EXPECT_TRUE(mixed.equal(pattern.mix(values, x)));
  EXPECT_TRUE(dots.equal(pattern.sampled_product(x, x)));
  at::set_num_threads(threads);
}

TEST(SparsePattern, ImpossiblePositionsAreRefused) {
  const at::Tensor outside = at::tensor({0, 1, 1, 3}, at::kInt).view({2, 2});
  const at::Tensor twice = at::tensor({1, 1, 2, 2}, at::kInt).view({2, 2});
  EXPECT_THROW(SparsePattern(3, outside), ModelError);
  EXPECT_THROW(SparsePattern(3, twice), ModelError);
}

}  // namespace sparse_matrix_test
}  // namespace svtune
