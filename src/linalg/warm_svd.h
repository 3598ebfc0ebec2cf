// Leading triplets of a matrix whose leading subspace is roughly known, as when a matrix has
// changed a little: a few block Krylov steps from that subspace and a Rayleigh-Ritz step.
//
// The result captures at least the energy of the subspace that is given, and nearly that of the
// exact decomposition; single vectors next to the cut may still be off.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace svtune {

struct WarmSvd {
  at::Tensor U;  // [out, r] fp32
  at::Tensor S;  // [r] fp32, descending
  at::Tensor V;  // [in, r] fp32
  // [short side, k] fp32, orthonormal: where to start from the next time. It spans the vectors
  // of the short side, V for a tall matrix and U for a wide one, and a few more.
  at::Tensor subspace;
};

struct WarmSvdOptions {
  std::int64_t rank = 16;  // 1 .. min(out, in)
  std::int64_t steps = 1;  // Krylov steps; each reads the matrix twice
  std::uint64_t seed = 0;  // vectors that fill up the subspace
  // Products in bf16 where the processor has them: four times as fast, with an error of 0.2 % of
  // the captured part in the factors, and far less in the captured energy.
  bool rough = false;
};

// `matrix` is [out, in] fp32, finite. `subspace` is [short side, any] or undefined for a random
// start; columns are added up to the rank and a few more. The same bits for any thread count.
WarmSvd warm_svd(const at::Tensor& matrix, const at::Tensor& subspace,
                 const WarmSvdOptions& options);

}  // namespace svtune
