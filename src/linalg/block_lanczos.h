// Leading eigenpairs of a symmetric positive semidefinite map by block Lanczos with full
// reorthogonalisation: a Krylov space of a few hundred vectors holds the leading ones to
// rounding error long before subspace iteration does (Musco and Musco, "Randomized Block
// Krylov Methods for Stronger and Faster Approximate Singular Value Decomposition", 2015).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

namespace svtune::detail {

struct LanczosOptions {
  std::int64_t wanted;         // leading pairs that must converge
  std::int64_t extra;          // further pairs returned as they are
  std::int64_t block;          // vectors added per step
  std::int64_t first_check;    // basis size at which convergence is looked at first
  std::int64_t max_dimension;  // give up beyond this many basis vectors
  double tolerance;            // residual of a wanted pair relative to the largest eigenvalue
  std::uint64_t seed;
};

struct LanczosResult {
  bool converged = false;
  at::Tensor vectors;          // [n, wanted + extra], orthonormal, largest eigenvalue first
  double next_eigenvalue = 0;  // estimate of the first one left out
  std::int64_t steps = 0;
};

// A symmetric [n, n] matrix by what it does to the rows of a block [block, n].
struct SymmetricMap {
  std::int64_t size = 0;  // n
  at::ScalarType dtype;   // of the work: fp32 or fp64
  std::function<at::Tensor(const at::Tensor& rows)> apply;
};

// A matrix [n, n] that lies in memory.
SymmetricMap map_of(const at::Tensor& matrix);

LanczosResult leading_eigenvectors(const SymmetricMap& map, const LanczosOptions& options);

}  // namespace svtune::detail
