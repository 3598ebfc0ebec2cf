// Matrices that break careless decompositions: zero, rank-deficient, tied, ill-scaled.
#include <ATen/ops/logspace.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "base/errors.h"
#include "libtorch/prelude.h"
#include "linalg/svd.h"
#include "linalg/svd_test_util.h"

namespace svtune {
namespace svd_shapes_test {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::model_like;
using testing::orthogonality_error;
using testing::product_distance;
using testing::reconstruction_error;
using testing::reference_svd;
using testing::with_spectrum;

template <typename Error, typename Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no such error was thrown";
}

// Residual bound that holds for any spectrum, relative to the largest σ.
constexpr double kResidual = 1e-5;

void expect_orthogonal(const TruncatedSvd& svd) {
  EXPECT_LT(orthogonality_error(svd.U), 1e-5) << svd.certificate.algorithm;
  EXPECT_LT(orthogonality_error(svd.V), 1e-5) << svd.certificate.algorithm;
  EXPECT_LT(svd.certificate.max_residual, kResidual) << svd.certificate.algorithm;
}

TEST(SvdShapes, ZeroWeightGivesZeroValuesAndOrthonormalVectors) {
  for (const at::Tensor& weight : {at::zeros({300, 400}), at::zeros({5, 3})}) {
    const TruncatedSvd svd = truncated_svd(weight, 3);
    EXPECT_EQ(svd.S.abs().max().item<float>(), 0.0f);
    expect_orthogonal(svd);
    const ThinSvd full = full_svd(weight);
    EXPECT_LT(orthogonality_error(full.U), 1e-6);
    EXPECT_LT(orthogonality_error(full.V), 1e-6);
  }
}

TEST(SvdShapes, VectorsAndScalars) {
  for (const auto& [out, in] : {std::pair{1, 700}, std::pair{700, 1}, std::pair{1, 1}}) {
    const at::Tensor weight = testing::random_normal({out, in}, 3);
    const TruncatedSvd svd = truncated_svd(weight, 1);
    EXPECT_NEAR(svd.S[0].item<double>(), weight.norm().item<double>(), 1e-5);
    EXPECT_LT(product_distance(svd, reference_svd(weight)), 1e-6);
    EXPECT_LT(orthogonality_error(full_svd(weight).U), 1e-6);
  }
}

TEST(SvdShapes, RankDeficientWeights) {
  const at::Tensor sigma = at::arange(8, 0, -1, at::kDouble);
  for (const auto& [out, in] : {std::pair{400, 300}, std::pair{300, 400}, std::pair{40, 60}}) {
    const at::Tensor weight = with_spectrum(out, in, sigma, 11);
    const TruncatedSvd svd = truncated_svd(weight, 20);
    expect_orthogonal(svd);
    EXPECT_LT(reconstruction_error(svd.U, svd.S, svd.V, weight), 1e-6);
    const ThinSvd full = full_svd(weight);
    EXPECT_LT(orthogonality_error(full.U), 1e-5);
    EXPECT_LT(orthogonality_error(full.V), 1e-5);
    EXPECT_LT(reconstruction_error(full.U, full.S, full.V, weight), 1e-6);
  }
}

TEST(SvdShapes, RankEqualToTheShortSideRebuildsTheWeight) {
  for (const auto& [out, in] : {std::pair{280, 280}, std::pair{270, 400}, std::pair{30, 20}}) {
    const at::Tensor weight = model_like(out, in, 12);
    const TruncatedSvd svd = truncated_svd(weight, std::min(out, in));
    expect_orthogonal(svd);
    EXPECT_LT(reconstruction_error(svd.U, svd.S, svd.V, weight), 1e-6);
    EXPECT_NEAR(svd.certificate.captured_energy, 1.0, 1e-6);
  }
}

// Values tied within the kept part: their product is defined although the vectors are not.
TEST(SvdShapes, TiedAndClusteredValues) {
  const at::Tensor bulk = at::arange(280, 0, -1, at::kDouble) / 300;
  const at::Tensor ties = at::cat({at::full({12}, 3.0, at::kDouble), bulk});
  const at::Tensor many = at::cat({at::full({40}, 2.0, at::kDouble), bulk.narrow(0, 0, 260)});
  const at::Tensor clusters =
      at::cat({3 + 1e-7 * at::arange(6, at::kDouble), 2 + 1e-5 * at::arange(6, at::kDouble), bulk});
  struct Case {
    at::Tensor sigma;
    std::int64_t rank;
  };
  for (const Case& c : {Case{ties, 12}, Case{many, 40}, Case{clusters, 12}, Case{clusters, 6}}) {
    const at::Tensor weight =
        with_spectrum(320, c.sigma.size(0), std::get<0>(c.sigma.sort(0, true)), 13);
    const TruncatedSvd svd = truncated_svd(weight, c.rank);
    expect_orthogonal(svd);
    EXPECT_LT(product_distance(svd, reference_svd(weight)), 1e-5) << svd.certificate.algorithm;
  }
}

// All values equal: any subspace is right, so only the certificate can be checked.
TEST(SvdShapes, OrthogonalMatrix) {
  for (const at::Tensor& weight :
       {at::eye(300, at::kFloat), with_spectrum(300, 300, at::ones({300}), 14)}) {
    const TruncatedSvd svd = truncated_svd(weight, 16);
    expect_orthogonal(svd);
    EXPECT_LT((svd.S - 1).abs().max().item<double>(), 1e-6);
  }
}

// The cut falls between two values that differ by 1e-3 of themselves.
TEST(SvdShapes, NarrowGapAtTheCut) {
  for (const double gap : {1e-2, 1e-3, 1e-4}) {
    const at::Tensor top = at::arange(20, 4, -1, at::kDouble);  // 20 .. 5
    const at::Tensor rest = at::cat(
        {at::full({1}, 5 * (1 - gap), at::kDouble), 4.5 - at::arange(283, at::kDouble) / 100});
    const at::Tensor weight = with_spectrum(400, 300, at::cat({top, rest}), 15);
    EXPECT_LT(product_distance(truncated_svd(weight, 16), reference_svd(weight)), 2e-5) << gap;
  }
}

TEST(SvdShapes, HilbertAndSteeplyFallingSpectra) {
  const at::Tensor i = at::arange(1, 281, at::kDouble);
  const at::Tensor hilbert = 1.0 / (i.unsqueeze(1) + i.unsqueeze(0) - 1);
  const at::Tensor steep =
      with_spectrum(400, 280, at::logspace(0, -12, 280, 10.0, at::kDouble), 16);
  for (const at::Tensor& weight : {hilbert, steep}) {
    const TruncatedSvd svd = truncated_svd(weight, 10);
    expect_orthogonal(svd);
    EXPECT_LT(product_distance(svd, reference_svd(weight)), 1e-6) << svd.certificate.algorithm;
    // Small values keep their relative accuracy as far as fp64 carries it.
    const auto reference = reference_svd(weight);
    EXPECT_LT((svd.S.to(at::kDouble) / reference.S.narrow(0, 0, 10) - 1).abs().max().item<double>(),
              1e-4);
    const ThinSvd full = full_svd(weight);
    EXPECT_LT(orthogonality_error(full.U), 1e-5);
    EXPECT_LT(orthogonality_error(full.V), 1e-5);
    EXPECT_LT(reconstruction_error(full.U, full.S, full.V, weight), 1e-6);
  }
}

// Around the ratio of 50 at which products go from fp32 to fp64, in every input precision.
TEST(SvdShapes, SpectraThatFallWithinTheRank) {
  for (const double ratio : {10.0, 45.0, 55.0, 1e3, 3e4}) {
    const at::Tensor top = at::logspace(0, -std::log10(ratio), 24, 10.0, at::kDouble);
    const at::Tensor rest = at::logspace(-std::log10(1.2 * ratio), -6, 276, 10.0, at::kDouble);
    const at::Tensor exact = with_spectrum(500, 300, at::cat({top, rest}), 21);
    for (const auto dtype : {at::kBFloat16, at::kFloat, at::kDouble}) {
      const at::Tensor weight = exact.to(dtype);
      const TruncatedSvd svd = truncated_svd(weight, 24);
      SCOPED_TRACE(std::to_string(ratio) + ": " + svd.certificate.algorithm);
      expect_orthogonal(svd);
      EXPECT_LT(product_distance(svd, reference_svd(weight)), 2e-5);
    }
  }
}

TEST(SvdShapes, OutlierColumnsAndExtremeScales) {
  at::Tensor outliers = model_like(400, 300, 17).to(at::kDouble);
  outliers.narrow(1, 5, 3).mul_(1000);
  const TruncatedSvd spiky = truncated_svd(outliers, 16);
  expect_orthogonal(spiky);
  EXPECT_LT(product_distance(spiky, reference_svd(outliers)), 2e-5);
  const at::Tensor plain = model_like(400, 300, 18).to(at::kFloat);
  const TruncatedSvd base = truncated_svd(plain, 16);
  for (const double scale : {std::ldexp(1.0, 100), std::ldexp(1.0, -100)}) {
    const TruncatedSvd svd = truncated_svd(plain * scale, 16);
    EXPECT_LT((svd.S / (base.S * scale) - 1).abs().max().item<double>(), 1e-5);
    EXPECT_LT((svd.U - base.U).abs().max().item<double>(), 1e-3);
  }
}

TEST(SvdShapes, EntriesThatAreNotFiniteAreNamed) {
  at::Tensor weight = model_like(300, 200, 19);
  weight[7][9] = std::numeric_limits<float>::quiet_NaN();
  weight[8][0] = std::numeric_limits<float>::infinity();
  const auto expected =
      AllOf(HasSubstr("[300, 200]"), HasSubstr("2 entries"), HasSubstr("row 7, column 9"));
  EXPECT_THAT(message_of<ModelError>([&] { truncated_svd(weight, 4); }), expected);
  EXPECT_THAT(message_of<ModelError>([&] { full_svd(weight); }), expected);
}

TEST(SvdShapes, RequestsOutOfRangeAreRefused) {
  const at::Tensor weight = model_like(30, 20, 20);
  const auto call = [&](std::int64_t rank, TruncatedSvdOptions options) {
    return message_of<std::invalid_argument>([&] { truncated_svd(weight, rank, options); });
  };
  EXPECT_THAT(call(0, {}), HasSubstr("got rank 0, need 1 .. min(out, in) = 20"));
  EXPECT_THAT(call(21, {}), HasSubstr("got rank 21"));
  EXPECT_THAT(call(5, {.part = SpectrumPart::kRange, .range_begin = 16}), HasSubstr("16:21"));
  EXPECT_THAT(call(5, {.part = SpectrumPart::kRange, .range_begin = -1}), HasSubstr("-1:4"));
  EXPECT_THAT(call(5, {.niter = -1}), HasSubstr("niter"));
  EXPECT_THAT(call(5, {.algorithm = SvdAlgorithm::kFast, .part = SpectrumPart::kMinor}),
              HasSubstr("principal"));
  EXPECT_THAT(message_of<std::invalid_argument>([] { truncated_svd(at::zeros({0, 4}), 1); }),
              HasSubstr("non-empty"));
}

}  // namespace svd_shapes_test
}  // namespace svtune
