// The last resorts: rotations against LAPACK, and the order in which attempts are made.
#include "linalg/fallback.h"

#include <ATen/ops/logspace.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "libtorch/prelude.h"
#include "linalg/svd_test_util.h"

namespace svtune::detail {
namespace fallback_test {

using ::testing::HasSubstr;

struct Number {
  int value = 0;
  std::string given_up = {};
};

Attempt<Number> refuses(const std::string& name) {
  return {name, []() -> std::optional<Number> { return std::nullopt; }};
}

Attempt<Number> fails(const std::string& name) {
  return {name, []() -> std::optional<Number> {
            TORCH_CHECK_LINALG(false, "no convergence");
            return std::nullopt;
          }};
}

Attempt<Number> gives(int value, const std::string& given_up = "") {
  return {"works", [=] { return std::optional(Number{value, given_up}); }};
}

Number first_of(const std::vector<Attempt<Number>>& attempts) {
  return first_success<Number>(attempts);
}

TEST(Fallback, FirstSuccessNamesWhatWasGivenUp) {
  EXPECT_EQ(first_of({gives(1), gives(2)}).value, 1);
  EXPECT_EQ(first_of({gives(1)}).given_up, "");
  const Number second = first_of({refuses("gram"), fails("eigh"), gives(3, "gesdd failed")});
  EXPECT_EQ(second.value, 3);
  EXPECT_EQ(second.given_up, "gram refused, eigh did not converge, gesdd failed");
  EXPECT_EQ(first_of({gives(1, "inner")}).given_up, "inner");
}

TEST(Fallback, AllFailedIsAModelError) {
  try {
    first_of({refuses("gram"), fails("gesdd")});
    FAIL() << "no error";
  } catch (const ModelError& error) {
    EXPECT_THAT(error.what(), HasSubstr("gram refused, gesdd did not converge"));
  }
}

// Any other error is a bug and passes through.
TEST(Fallback, OtherErrorsAreNotSwallowed) {
  const Attempt<Number> broken{"broken",
                               []() -> std::optional<Number> { throw std::out_of_range("bug"); }};
  EXPECT_THROW(first_of({broken, gives(1)}), std::out_of_range);
}

TEST(JacobiSvd, AgreesWithGesdd) {
  const at::Tensor falling = at::logspace(0, -9, 30, 10.0, at::kDouble);
  for (const at::Tensor& matrix :
       {testing::random_normal({40, 25}, 1), testing::random_normal({25, 40}, 2),
        testing::with_spectrum(50, 30, falling, 3), testing::random_normal({7, 1}, 4)}) {
    const SvdFactors svd = jacobi_svd(matrix);
    const auto reference = testing::reference_svd(matrix);
    EXPECT_LT((svd.S - reference.S).abs().max().item<double>(),
              1e-12 * reference.S[0].item<double>());
    EXPECT_LT(testing::orthogonality_error(svd.U), 1e-10);
    EXPECT_LT(testing::orthogonality_error(svd.V), 1e-10);
    EXPECT_LT(testing::reconstruction_error(svd.U, svd.S, svd.V, matrix), 1e-13);
  }
}

TEST(JacobiSvd, RankDeficientMatricesGetACompleteBasis) {
  const at::Tensor matrix = testing::with_spectrum(30, 20, at::arange(5, 0, -1, at::kDouble), 5);
  for (const at::Tensor& each : {matrix, at::zeros({12, 8}, at::kDouble)}) {
    const SvdFactors svd = jacobi_svd(each);
    EXPECT_LT(testing::orthogonality_error(svd.U), 1e-10);
    EXPECT_LT(testing::orthogonality_error(svd.V), 1e-10);
    EXPECT_LT((at::mm(svd.U * svd.S, svd.V.t()) - each).abs().max().item<double>(), 1e-12);
  }
}

TEST(JacobiSvd, GivesUpOnWhatCannotConverge) {
  at::Tensor matrix = testing::random_normal({6, 5}, 6);
  matrix[2][3] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(jacobi_svd(matrix), c10::LinAlgError);
}

}  // namespace fallback_test
}  // namespace svtune::detail
