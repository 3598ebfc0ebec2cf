// The exact truncated decomposition: choice of algorithm by shape and rank, verification,
// and the ladder of fallbacks.
//
//   the weight, block Lanczos    small rank of a large weight, whose Gram matrix would cost more
//   Gram matrix, block Lanczos   small rank: a Krylov space of a few hundred vectors
//   Gram matrix, tridiagonal     larger rank: fp32, only the wanted eigenpairs
//   Gram matrix in fp64, eigh    small matrices, ranks near n, or when the check failed
//   gesdd in fp64                tiny matrices, spectra falling below 1e-5 of their top
//   Jacobi rotations             when gesdd does not converge
//
// All but gesdd end in a Rayleigh-Ritz step on the weight itself.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "linalg/rayleigh_ritz.h"

namespace svtune::detail {

struct ExactTriplets {
  Triplets triplets;  // of the tall view A: left [long, r], right [short, r]
  std::string algorithm;
  std::string given_up;  // attempts before it that failed; usually empty
  std::int64_t passes = 0;
  at::Tensor image;  // Aᵀ · left [short, r] fp32 where the check has computed it
};

ExactTriplets exact_leading_triplets(const MatrixTiles& matrix, std::int64_t rank,
                                     std::uint64_t seed);

// `count` triplets from position `first`, by a dense decomposition in fp64.
ExactTriplets triplets_by_gesdd(const MatrixTiles& matrix, std::int64_t first, std::int64_t count);

}  // namespace svtune::detail
