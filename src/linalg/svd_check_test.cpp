// The check of factors: sound ones pass, each way of being wrong is named.
#include "linalg/svd_check.h"

#include <ATen/ops/logspace.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "libtorch/prelude.h"
#include "linalg/svd_test_util.h"

namespace svtune::detail {
namespace svd_check_test {

using ::testing::HasSubstr;
using testing::model_like;
using testing::random_normal;
using testing::with_spectrum;

ThinSvd changed(const ThinSvd& svd) {
  return {svd.U.clone(), svd.S.clone(), svd.V.clone(), svd.algorithm, svd.fallback};
}

TEST(SvdCheck, SoundResultsPass) {
  const at::Tensor steep = at::logspace(0, -12, 300, 10, at::kDouble);
  const at::Tensor rank_two = at::cat({at::ones({2}, at::kDouble), at::zeros({298}, at::kDouble)});
  for (const at::Tensor& weight :
       {model_like(700, 300, 1), model_like(300, 700, 2), with_spectrum(400, 300, steep, 3),
        with_spectrum(300, 400, rank_two, 4), at::zeros({60, 50}), at::eye(64) * 1e30,
        random_normal({90, 90}, 5) * 1e-30, random_normal({5, 3}, 6)}) {
    SCOPED_TRACE(weight.sizes());
    const at::Tensor untouched = weight.clone();
    EXPECT_EQ(fault_of(weight, full_svd(weight)), "");
    EXPECT_TRUE(weight.equal(untouched));
    const std::int64_t n = std::min(weight.size(0), weight.size(1));
    for (const SpectrumPart part :
         {SpectrumPart::kPrincipal, SpectrumPart::kMedium, SpectrumPart::kMinor}) {
      EXPECT_EQ(
          fault_of(weight, truncated_svd(weight, std::min<std::int64_t>(n, 9), {.part = part})),
          "");
    }
    const TruncatedSvdOptions fast{.algorithm = SvdAlgorithm::kFast, .niter = 0};
    EXPECT_EQ(fault_of(weight, truncated_svd(weight, std::min<std::int64_t>(n, 9), fast)), "");
  }
}

// What LAPACK returned from inside a parallel region: two columns that are no longer orthogonal.
TEST(SvdCheck, OneBadPairOfColumnsIsFound) {
  const at::Tensor weight = model_like(1024, 1024, 7);
  const ThinSvd svd = full_svd(weight);
  for (const bool left : {true, false}) {
    ThinSvd bad = changed(svd);
    at::Tensor& factor = left ? bad.U : bad.V;
    factor.select(1, 900).copy_(0.75 * factor.select(1, 901) +
                                std::sqrt(1 - 0.75 * 0.75) * factor.select(1, 900));
    EXPECT_THAT(fault_of(weight, bad), HasSubstr("orthogonality"));
  }
}

TEST(SvdCheck, AnotherWeightsFactorsAreFound) {
  const at::Tensor weight = model_like(200, 100, 8), other = model_like(200, 100, 9);
  EXPECT_THAT(fault_of(other, full_svd(weight)), HasSubstr("product"));
  EXPECT_THAT(fault_of(other, truncated_svd(weight, 8)), HasSubstr("product"));
}

TEST(SvdCheck, ARotatedBasisIsFound) {
  const at::Tensor weight = model_like(200, 100, 10);
  ThinSvd bad = changed(full_svd(weight));
  bad.U = bad.U.roll(1, 1);
  EXPECT_THAT(fault_of(weight, bad), HasSubstr("product"));
}

TEST(SvdCheck, ValuesMustBeFiniteDescendingAndNotNegative) {
  const at::Tensor weight = model_like(60, 50, 11);
  const ThinSvd svd = full_svd(weight);
  ThinSvd bad = changed(svd);
  bad.S[49] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(fault_of(weight, bad), HasSubstr("not finite"));
  bad = changed(svd);
  bad.S[49] = -1;
  EXPECT_THAT(fault_of(weight, bad), HasSubstr("negative"));
  bad = changed(svd);
  bad.S = bad.S.flip(0);
  EXPECT_THAT(fault_of(weight, bad), HasSubstr("order"));
}

TEST(SvdCheck, VectorsThatAreNotFiniteAreFound) {
  const at::Tensor weight = model_like(60, 50, 12);
  for (const float wrong :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    ThinSvd bad = changed(full_svd(weight));
    bad.V[3][7] = wrong;
    EXPECT_NE(fault_of(weight, bad), "");
  }
}

}  // namespace svd_check_test
}  // namespace svtune::detail
