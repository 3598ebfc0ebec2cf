#include "linalg/gram.h"

#include <gtest/gtest.h>

#include <utility>

#include "libtorch/prelude.h"
#include "linalg/svd_test_util.h"

namespace svtune::detail {
namespace gram_test {

at::Tensor gram_reference(const at::Tensor& weight) {
  const at::Tensor tall = (weight.size(0) < weight.size(1) ? weight.t() : weight).to(at::kDouble);
  return at::mm(tall.t(), tall);
}

double relative_error(const at::Tensor& got, const at::Tensor& expected) {
  return ((got - expected).norm() / expected.norm()).item<double>();
}

// Odd sizes and remainders of tiles and chunks; products are exact, sums of 128 are rounded
// to fp32 (6e-8 each, some accumulated over a chunk).
TEST(GramMatrix, MatchesDoubleProducts) {
  for (const auto& [out, in] : {std::pair{513, 301}, std::pair{301, 513}, std::pair{1280, 128},
                                std::pair{129, 131}, std::pair{3, 2}, std::pair{1, 1}}) {
    const at::Tensor exact = testing::random_normal({out, in}, 1);
    for (const auto dtype : {at::kBFloat16, at::kHalf, at::kFloat, at::kDouble}) {
      const at::Tensor weight = exact.to(dtype);
      const MatrixTiles matrix(weight);
      const at::Tensor expected = gram_reference(weight);
      EXPECT_LT(relative_error(gram_matrix(matrix, GramPrecision::kFast), expected), 3e-7)
          << out << "x" << in << " " << dtype;
      EXPECT_LT(relative_error(gram_matrix(matrix, GramPrecision::kDouble), expected), 1e-14);
    }
  }
}

TEST(GramMatrix, FloatsThatFitBf16TakeTheSamePath) {
  const at::Tensor weight = testing::random_normal({300, 200}, 2).to(at::kBFloat16);
  const at::Tensor widened = weight.to(at::kFloat);
  if (!uses_bf16_products(weight)) GTEST_SKIP() << "this CPU has no bf16 products";
  EXPECT_TRUE(uses_bf16_products(widened));
  EXPECT_FALSE(uses_bf16_products(widened + 1e-4));
  EXPECT_TRUE(gram_matrix(MatrixTiles(weight), GramPrecision::kFast)
                  .equal(gram_matrix(MatrixTiles(widened), GramPrecision::kFast)));
}

TEST(MatrixTiles, ProductsOfTheTallView) {
  for (const auto& [out, in] : {std::pair{5000, 30}, std::pair{30, 5000}, std::pair{7, 7}}) {
    const at::Tensor weight = testing::random_normal({out, in}, 3);
    const MatrixTiles matrix(weight);
    const at::Tensor tall = out < in ? weight.t() : weight;
    EXPECT_LE(matrix.tile_count(), 20);
    const at::Tensor right = testing::random_normal({matrix.short_side(), 4}, 4);
    const at::Tensor left = testing::random_normal({matrix.long_side(), 4}, 5);
    EXPECT_LT(relative_error(matrix.times(right), at::mm(tall, right)), 1e-14);
    EXPECT_LT(relative_error(matrix.transposed_times(left), at::mm(tall.t(), left)), 1e-14);
  }
}

}  // namespace gram_test
}  // namespace svtune::detail
