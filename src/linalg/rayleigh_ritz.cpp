#include "linalg/rayleigh_ritz.h"

#include <limits>

#include "libtorch/prelude.h"
#include "linalg/lapack.h"
#include "linalg/parallel.h"

namespace svtune::detail {
namespace {

// Below this part of the largest σ, fp32 products would cost the left vectors their fifth digit
// of orthogonality.
constexpr double kFloatSigma = 0.02;

// YᵀY [q, q] in fp64, summed tile by tile. The rounding of y averages out in these sums, that of
// sums in fp32 would not: it would turn vectors on either side of the cut into each other where
// the spectrum is flat.
at::Tensor tiled_gram(const MatrixTiles& matrix, const at::Tensor& y) {
  const auto term = [&](std::int64_t i, at::Tensor& out) {
    const at::Tensor rows = y.narrow(0, matrix.tile_begin(i), matrix.tile_size(i)).to(at::kDouble);
    at::mm_out(out, rows.t(), rows);
  };
  return matrix.sum_over_tiles(y.size(1), y.size(1), at::kDouble, term);
}

// `basis` is orthonormal, [short, q] fp64; products with A are made in `dtype`.
Triplets best_in_basis(const MatrixTiles& matrix, const at::Tensor& basis, std::int64_t rank,
                       at::ScalarType dtype) {
  const at::Tensor image = matrix.times(basis.to(dtype));  // [long, q]
  const auto [squares, rotation] = lapack::eigh(tiled_gram(matrix, image));
  const std::int64_t q = basis.size(1);
  const at::Tensor leading = rotation.narrow(1, q - rank, rank).flip(1);
  Triplets triplets;
  triplets.sigma = squares.narrow(0, q - rank, rank).flip(0).clamp_min(0).sqrt();
  triplets.right = at::mm(basis, leading);
  const at::Tensor divisor = triplets.sigma.clamp_min(std::numeric_limits<double>::min());
  triplets.left = image.narrow(1, 0, rank);  // in place, tile by tile
  const at::Tensor scaled = (leading / divisor).to(dtype);
  for_each_tile(matrix.tile_count(), [&](std::int64_t i) {
    const at::Tensor rows = image.narrow(0, matrix.tile_begin(i), matrix.tile_size(i));
    rows.narrow(1, 0, rank).copy_(at::mm(rows, scaled));
  });
  return triplets;
}

bool fp32_suffices(const at::Tensor& sigma) {
  return sigma[-1].item<double>() >= kFloatSigma * sigma[0].item<double>();
}

}  // namespace

Triplets rayleigh_ritz(const MatrixTiles& matrix, const at::Tensor& subspace, std::int64_t rank) {
  const at::Tensor basis = lapack::qr(subspace.to(at::kDouble)).Q;
  if (matrix.weight().scalar_type() != at::kDouble) {
    Triplets triplets = best_in_basis(matrix, basis, rank, at::kFloat);
    if (fp32_suffices(triplets.sigma)) return triplets;
  }
  return best_in_basis(matrix, basis, rank, at::kDouble);
}

}  // namespace svtune::detail
