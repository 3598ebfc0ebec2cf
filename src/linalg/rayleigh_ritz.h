// The last step of every truncated decomposition: the best triplets of A within a given
// subspace, computed from A itself in fp64, so that whatever the subspace came from (bf16
// products, a squared matrix) limits only how well it contains the wanted vectors.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "linalg/matrix_tiles.h"

namespace svtune::detail {

// Leading triplets of A [long, short] = left · diag(sigma) · rightᵀ + rest.
struct Triplets {
  at::Tensor left;   // [long, r] fp64, orthonormal where sigma is not negligible
  at::Tensor sigma;  // [r] fp64, descending
  at::Tensor right;  // [short, r] fp64, orthonormal
};

// The `rank` best triplets of A within the span of `subspace` [short, q], q >= rank.
Triplets rayleigh_ritz(const MatrixTiles& matrix, const at::Tensor& subspace, std::int64_t rank);

}  // namespace svtune::detail
