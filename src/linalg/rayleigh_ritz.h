// The last step of every truncated decomposition: the best triplets of A within a given
// subspace, computed from A itself, so that whatever the subspace came from (bf16 products,
// a squared matrix) limits only how well it contains the wanted vectors.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "linalg/matrix_tiles.h"

namespace svtune::detail {

// Leading triplets of A [long, short] = left · diag(sigma) · rightᵀ + rest.
struct Triplets {
  at::Tensor left;   // [long, r] fp32 or fp64, orthonormal where sigma is not negligible
  at::Tensor sigma;  // [r] fp64, descending
  at::Tensor right;  // [short, r] fp64, orthonormal
};

// The `rank` best triplets of A within the span of `subspace` [short, q], q >= rank.
//
// Products with A are made in fp32, their sums over tiles and all small matrices in fp64: an
// error of about 1e-7 of the largest σ in each column. Where the smallest wanted σ is too small
// beside that, and for a weight in fp64, everything is done in fp64.
Triplets rayleigh_ritz(const MatrixTiles& matrix, const at::Tensor& subspace, std::int64_t rank);

}  // namespace svtune::detail
