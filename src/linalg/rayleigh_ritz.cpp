#include "linalg/rayleigh_ritz.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <limits>

#include "linalg/parallel.h"

namespace svtune::detail {
namespace {

// Below this part of the largest σ, fp32 products would cost the left vectors their fifth digit
// of orthogonality.
constexpr double kFloatSigma = 0.02;

// YᵀY [q, q] in fp64, summed tile by tile.
at::Tensor tiled_gram(const MatrixTiles& matrix, const at::Tensor& y) {
  const std::int64_t q = y.size(1);
  at::Tensor partial = at::empty({matrix.tile_count(), q, q}, y.options().dtype(at::kDouble));
  for_each_tile(matrix.tile_count(), [&](std::int64_t i) {
    // The rounding of y averages out in these sums, that of sums in fp32 would not: it would turn
    // vectors on either side of the cut into each other where the spectrum is flat.
    const at::Tensor rows = y.narrow(0, matrix.tile_begin(i), matrix.tile_size(i)).to(at::kDouble);
    at::Tensor sum = partial.select(0, i);
    at::mm_out(sum, rows.t(), rows);
  });
  at::Tensor total = at::zeros({q, q}, partial.options());
  for (std::int64_t i = 0; i < matrix.tile_count(); ++i) total.add_(partial.select(0, i));
  return total;
}

// `basis` is orthonormal, [short, q] fp64; products with A are made in `dtype`.
Triplets best_in_basis(const MatrixTiles& matrix, const at::Tensor& basis, std::int64_t rank,
                       at::ScalarType dtype) {
  const at::Tensor image = matrix.times(basis.to(dtype));  // [long, q]
  const auto [squares, rotation] = at::linalg_eigh(tiled_gram(matrix, image));
  const std::int64_t q = basis.size(1);
  const at::Tensor leading = rotation.narrow(1, q - rank, rank).flip(1);
  Triplets triplets;
  triplets.sigma = squares.narrow(0, q - rank, rank).flip(0).clamp_min(0).sqrt();
  triplets.right = at::mm(basis, leading);
  const at::Tensor divisor = triplets.sigma.clamp_min(std::numeric_limits<double>::min());
  triplets.left = at::empty({matrix.long_side(), rank}, image.options());
  const at::Tensor scaled = (leading / divisor).to(dtype);
  for_each_tile(matrix.tile_count(), [&](std::int64_t i) {
    at::Tensor rows = triplets.left.narrow(0, matrix.tile_begin(i), matrix.tile_size(i));
    at::mm_out(rows, image.narrow(0, matrix.tile_begin(i), matrix.tile_size(i)), scaled);
  });
  return triplets;
}

bool fp32_suffices(const at::Tensor& sigma) {
  return sigma[-1].item<double>() >= kFloatSigma * sigma[0].item<double>();
}

}  // namespace

Triplets rayleigh_ritz(const MatrixTiles& matrix, const at::Tensor& subspace, std::int64_t rank) {
  const at::Tensor basis = std::get<0>(at::linalg_qr(subspace.to(at::kDouble)));
  if (matrix.weight().scalar_type() != at::kDouble) {
    Triplets triplets = best_in_basis(matrix, basis, rank, at::kFloat);
    if (fp32_suffices(triplets.sigma)) return triplets;
  }
  return best_in_basis(matrix, basis, rank, at::kDouble);
}

}  // namespace svtune::detail
