// The full decomposition through the Gram matrix in fp64: right vectors and values from its
// eigenproblem, left vectors as A V / σ. About twice as fast as gesdd on tall and wide
// weights and more accurate than gesdd in fp32. Directions whose σ is negligible beside the
// largest are lost in a squared matrix; they get a small decomposition of their own.
#include <c10/core/GradMode.h>

#include <algorithm>
#include <array>
#include <optional>

#include "libtorch/prelude.h"
#include "linalg/fallback.h"
#include "linalg/gram.h"
#include "linalg/lapack.h"
#include "linalg/matrix_tiles.h"
#include "linalg/svd.h"
#include "linalg/svd_check.h"
#include "linalg/svd_prepare.h"

namespace svtune {
namespace {

using detail::Attempt;
using detail::MatrixTiles;
using detail::SvdFactors;

constexpr std::int64_t kTiny = 48;    // gesdd costs nothing
constexpr double kNegligible = 2e-5;  // of the largest σ; above it fp64 squares suffice
constexpr double kFloatSafe = 0.05;   // of the root mean square σ; see left_vectors()

struct TallSvd {
  at::Tensor left;   // [long, n] fp32
  at::Tensor sigma;  // [n] fp64, descending
  at::Tensor right;  // [short, n] fp64
  std::string algorithm;
  std::string given_up = {};  // usually empty
};

// A V / σ for `count` leading columns. Rounding in an fp32 product adds noise of 1e-7 of
// ‖A‖ to each column before the division, which small σ would magnify: those use fp64.
void left_vectors(const MatrixTiles& matrix, std::int64_t count, TallSvd& svd) {
  const double rms = svd.sigma.square().mean().sqrt().item<double>();
  const std::int64_t in_float =
      std::min(count, svd.sigma.ge(kFloatSafe * rms).sum().item<std::int64_t>());
  const at::Tensor scaled = svd.right.narrow(1, 0, count) / svd.sigma.narrow(0, 0, count);
  if (in_float > 0) {
    svd.left.narrow(1, 0, in_float)
        .copy_(matrix.times(scaled.narrow(1, 0, in_float).to(at::kFloat)));
  }
  if (in_float < count) {
    svd.left.narrow(1, in_float, count - in_float)
        .copy_(matrix.times(scaled.narrow(1, in_float, count - in_float).contiguous()));
  }
}

// The columns from `first` on, whose σ the squares do not resolve: the decomposition of A
// restricted to their right vectors, with left vectors orthogonal to all others even where
// σ is zero (Householder QR completes a basis whatever its input).
void negligible_triplets(const MatrixTiles& matrix, std::int64_t first, TallSvd& svd) {
  const std::int64_t count = svd.sigma.size(0) - first;
  at::Tensor right = svd.right.narrow(1, first, count);
  const at::Tensor known = svd.left.narrow(1, 0, first).to(at::kDouble);
  at::Tensor image = matrix.times(right.contiguous());
  image.sub_(at::mm(known, at::mm(known.t(), image)));
  const SvdFactors small = detail::dense_svd(image);
  const auto [Q, R] = lapack::qr(at::cat({known, small.U}, 1));
  const at::Tensor sign = at::where(R.diagonal().narrow(0, first, count).lt(0), -1.0, 1.0);
  svd.left.narrow(1, first, count).copy_(Q.narrow(1, first, count) * sign);
  svd.sigma.narrow(0, first, count).copy_(small.S);
  right.copy_(at::mm(right.clone(), small.V));
}

TallSvd svd_by_gram(const MatrixTiles& matrix) {
  const auto [values, vectors] =
      lapack::eigh(detail::gram_matrix(matrix, detail::GramPrecision::kDouble));
  TallSvd svd{at::empty({matrix.long_side(), matrix.short_side()}, at::kFloat),
              values.flip(0).clamp_min(0).sqrt(), vectors.flip(1), "gram + eigh (fp64)"};
  const double threshold = kNegligible * svd.sigma[0].item<double>();
  const std::int64_t resolved = svd.sigma.ge(threshold).sum().item<std::int64_t>();
  left_vectors(matrix, resolved, svd);
  if (resolved < matrix.short_side()) negligible_triplets(matrix, resolved, svd);
  return svd;
}

TallSvd svd_by_gesdd(const MatrixTiles& matrix) {
  const at::Tensor& weight = matrix.weight();
  const SvdFactors all = detail::dense_svd(matrix.transposed() ? weight.t() : weight);
  return {all.U.to(at::kFloat), all.S, all.V,
          all.given_up.empty() ? "gesdd (fp64)" : "Jacobi rotations (fp64)", all.given_up};
}

TallSvd svd_of(const MatrixTiles& matrix) {
  if (matrix.short_side() <= kTiny) return svd_by_gesdd(matrix);
  const auto sound = [&](TallSvd svd) {
    const std::string fault = detail::fault_of_full(
        matrix, svd.left, svd.sigma, svd.right.to(at::kFloat), detail::kFloatFactors);
    return fault.empty() ? std::optional(std::move(svd)) : std::nullopt;
  };
  const std::array<Attempt<TallSvd>, 2> attempts = {
      Attempt<TallSvd>{"gram (fp64)", [&] { return sound(svd_by_gram(matrix)); }},
      Attempt<TallSvd>{"gesdd", [&] { return sound(svd_by_gesdd(matrix)); }}};
  return detail::first_success<TallSvd>(attempts);
}

}  // namespace

ThinSvd full_svd(const at::Tensor& weight) {
  const c10::NoGradGuard no_grad;
  const detail::PreparedWeight prepared = detail::prepare_weight(weight);
  const std::int64_t n = std::min(weight.size(0), weight.size(1));
  ThinSvd result;
  if (prepared.zero) {
    result = {at::eye(weight.size(0), n), at::zeros({n}), at::eye(weight.size(1), n), "zero weight",
              ""};
  } else {
    const MatrixTiles matrix(prepared.weight);
    const TallSvd svd = svd_of(matrix);
    result.U = svd.left.contiguous();
    result.V = svd.right.to(at::kFloat).contiguous();
    if (matrix.transposed()) std::swap(result.U, result.V);
    result.S = (svd.sigma * prepared.scale).to(at::kFloat);
    result.algorithm = svd.algorithm;
    result.fallback = svd.given_up;
    detail::apply_sign_rule(result.U, result.V);
  }
  for (at::Tensor* factor : {&result.U, &result.S, &result.V}) {
    *factor = factor->to(weight.device());
  }
  return result;
}

}  // namespace svtune
