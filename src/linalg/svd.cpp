#include "linalg/svd.h"

#include <c10/core/GradMode.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "base/errors.h"
#include "libtorch/prelude.h"
#include "linalg/exact_svd.h"
#include "linalg/parallel.h"
#include "linalg/subspace_iteration.h"
#include "linalg/svd_prepare.h"

namespace svtune {
namespace {

using detail::MatrixTiles;
using detail::PreparedWeight;

std::int64_t first_triplet(std::int64_t n, std::int64_t rank, const TruncatedSvdOptions& options) {
  switch (options.part) {
    case SpectrumPart::kPrincipal:
      return 0;
    case SpectrumPart::kMedium:
      return (n - rank) / 2;
    case SpectrumPart::kMinor:
      return n - rank;
    case SpectrumPart::kRange:
      return options.range_begin;
  }
  return 0;
}

void check_request(const at::Tensor& weight, std::int64_t rank,
                   const TruncatedSvdOptions& options) {
  const std::int64_t n = std::min(weight.size(0), weight.size(1));
  const std::string allowed = "need 1 .. min(out, in) = " + std::to_string(n);
  if (rank < 1 || rank > n) {
    throw std::invalid_argument("[truncated_svd] got rank " + std::to_string(rank) + ", " +
                                allowed);
  }
  const std::int64_t first = first_triplet(n, rank, options);
  if (first < 0 || first + rank > n) {
    throw std::invalid_argument("[truncated_svd] got singular values " + std::to_string(first) +
                                ":" + std::to_string(first + rank) + ", " + allowed);
  }
  if (options.niter < 0 || options.oversample < 0) {
    throw std::invalid_argument("[truncated_svd] niter and oversample must not be negative");
  }
  if (options.algorithm == SvdAlgorithm::kFast && options.part != SpectrumPart::kPrincipal) {
    throw std::invalid_argument(
        "[truncated_svd] the fast algorithm finds principal triplets only; use the exact one");
  }
}

TruncatedSvd fast_svd(const PreparedWeight& prepared, std::int64_t rank,
                      const TruncatedSvdOptions& options) {
  const at::Tensor weight = prepared.weight.to(at::kFloat);
  const std::int64_t n = std::min(weight.size(0), weight.size(1));
  const std::int64_t q = std::min(n, rank + options.oversample);
  auto factors = detail::subspace_iteration(weight, q, options.niter, options.seed);
  TruncatedSvd svd;
  svd.U = factors.U.narrow(1, 0, rank).contiguous();
  svd.S = factors.S.narrow(0, 0, rank).contiguous();
  svd.V = factors.V.narrow(1, 0, rank).contiguous();
  svd.certificate.algorithm = "subspace iteration (q " + std::to_string(q) + ", niter " +
                              std::to_string(options.niter) + ")";
  svd.certificate.fallback = factors.given_up;
  svd.certificate.passes = 2 * options.niter + 3;
  // The tall side's product with the other is what the projection makes exact.
  const bool wide = weight.size(0) < weight.size(1);
  const at::Tensor difference =
      wide ? at::mm(weight.t(), svd.U) - svd.V * svd.S : at::mm(weight, svd.V) - svd.U * svd.S;
  svd.certificate.residuals =
      at::linalg_vector_norm(difference, 2, at::IntArrayRef{0}, false, at::kDouble);
  return svd;
}

// A · right = left · σ holds by construction, so the residual is that of Aᵀ.
at::Tensor exact_residual(const MatrixTiles& matrix, const at::Tensor& left,
                          const at::Tensor& right, const at::Tensor& sigma,
                          const at::Tensor& known_image) {
  const at::Tensor image = known_image.defined() ? known_image : matrix.transposed_times(left);
  return at::linalg_vector_norm(image.to(at::kDouble) - right.to(at::kDouble) * sigma, 2,
                                at::IntArrayRef{0});
}

TruncatedSvd exact_svd(const MatrixTiles& matrix, std::int64_t rank,
                       const TruncatedSvdOptions& options) {
  const std::int64_t first = first_triplet(matrix.short_side(), rank, options);
  const detail::ExactTriplets found =
      first == 0 ? detail::exact_leading_triplets(matrix, rank, options.seed)
                 : detail::triplets_by_gesdd(matrix, first, rank);
  const at::Tensor left = found.triplets.left.to(at::kFloat).contiguous();
  const at::Tensor right = found.triplets.right.to(at::kFloat).contiguous();
  TruncatedSvd svd;
  svd.U = matrix.transposed() ? right : left;
  svd.V = matrix.transposed() ? left : right;
  svd.S = found.triplets.sigma.to(at::kFloat).contiguous();
  svd.certificate.algorithm = found.algorithm;
  svd.certificate.fallback = found.given_up;
  svd.certificate.passes = found.passes + 1;
  svd.certificate.residuals = exact_residual(matrix, left, right, svd.S, found.image);
  return svd;
}

TruncatedSvd zero_svd(const at::Tensor& weight, std::int64_t rank) {
  TruncatedSvd svd;
  svd.U = at::eye(weight.size(0), rank);
  svd.V = at::eye(weight.size(1), rank);
  svd.S = at::zeros({rank});
  svd.certificate.algorithm = "zero weight";
  svd.certificate.residuals = at::zeros({rank}, at::kDouble);
  svd.certificate.captured_energy = 1;
  return svd;
}

void complete_certificate(const PreparedWeight& prepared, SvdCertificate& certificate,
                          const at::Tensor& sigma) {
  const double top = sigma[0].item<double>();
  certificate.max_residual = top > 0 ? certificate.residuals.max().item<double>() / top
                                     : certificate.residuals.max().item<double>();
  certificate.residuals.mul_(prepared.scale);
  const double energy = sigma.to(at::kDouble).square().sum().item<double>();
  certificate.captured_energy = std::min(1.0, energy / detail::sum_of_squares(prepared.weight));
}

}  // namespace

TruncatedSvd truncated_svd(const at::Tensor& weight, std::int64_t rank,
                           const TruncatedSvdOptions& options) {
  const c10::NoGradGuard no_grad;
  const SerialMath serial;
  const PreparedWeight prepared = detail::prepare_weight(weight);
  check_request(weight, rank, options);
  TruncatedSvd svd;
  if (prepared.zero) {
    svd = zero_svd(weight, rank);
  } else {
    svd = options.algorithm == SvdAlgorithm::kFast
              ? fast_svd(prepared, rank, options)
              : exact_svd(MatrixTiles(prepared.weight), rank, options);
    detail::apply_sign_rule(svd.U, svd.V);
    complete_certificate(prepared, svd.certificate, svd.S);
    if (prepared.scale != 1) svd.S.mul_(prepared.scale);
  }
  for (at::Tensor* factor : {&svd.U, &svd.S, &svd.V}) *factor = factor->to(weight.device());
  return svd;
}

std::int64_t truncated_svd_workspace(std::int64_t out, std::int64_t in, SpectrumPart part) {
  const std::int64_t n = std::min(out, in), size = out * in;
  // Sums over tiles and the Gram matrix in fp64, or that and its eigenproblem in fp32.
  if (part == SpectrumPart::kPrincipal) return 8 * n * n + std::max(4 * size, 6 * n * n);
  // The weight and U in fp64, V, and four matrices of gesdd.
  return 8 * (2 * size + 5 * n * n);
}

}  // namespace svtune
