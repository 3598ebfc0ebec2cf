// Whether factors are a singular value decomposition, at the price of a few products with thin
// matrices: whatever computed or stored them, wrong ones are never used.
//
// Distances in the Frobenius norm are estimated from products with eight random vectors x of unit
// variance, E‖Ex‖² = ‖E‖²: an error is underestimated ten times with a chance below 1e-6 even where
// it has a single direction, and the tolerances lie that far below any error that matters.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "linalg/matrix_tiles.h"
#include "linalg/svd_result.h"

namespace svtune::detail {

struct SvdTolerance {
  double orthogonality;  // ‖QᵀQ − I‖ of either side, absolute
  double product;        // ‖A − U S Vᵀ‖ / ‖A‖, or the residual of a part; see fault_of_part()
};
// For fp32 factors. Columns of small σ come from products whose rounding is divided by σ.
inline constexpr SvdTolerance kFloatFactors{5e-3, 2e-5};
inline constexpr SvdTolerance kDoubleFactors{1e-7, 1e-9};

// Why these are no triplets of any matrix; empty when they may be: finite, `S` [r] descending and
// not negative, `left` [long, r] and `right` [short, r] orthonormal.
std::string fault_of_triplets(const at::Tensor& left, const at::Tensor& S, const at::Tensor& right,
                              const SvdTolerance& tolerance);

// Why these are not all n = min(out, in) triplets of the matrix: the above, or
// A = left S rightᵀ does not hold.
std::string fault_of_full(const MatrixTiles& matrix, const at::Tensor& left, const at::Tensor& S,
                          const at::Tensor& right, const SvdTolerance& tolerance);

// Why these r <= n triplets belong to no part of the spectrum. Of A right = left S and
// Aᵀ left = right S one must hold, which every algorithm makes exact by construction; the
// other is what a certificate measures. Residuals are relative to ‖S‖ or, where σ are small, to
// what r average triplets have.
std::string fault_of_part(const MatrixTiles& matrix, const at::Tensor& left, const at::Tensor& S,
                          const at::Tensor& right, const SvdTolerance& tolerance);

// The same of finished results for `weight` [out, in].
std::string fault_of(const at::Tensor& weight, const ThinSvd& svd);
std::string fault_of(const at::Tensor& weight, const TruncatedSvd& svd);

}  // namespace svtune::detail
