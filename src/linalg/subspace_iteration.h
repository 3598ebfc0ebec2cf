// Randomised subspace iteration exactly as torch.svd_lowrank does it (Halko, Martinsson and
// Tropp, "Finding structure with randomness", 2011, algorithms 4.4 and 5.1): the method
// behind PEFT's `pissa_niter_N`, kept for comparison with published results.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace svtune::detail {

struct LowRankFactors {
  at::Tensor U;          // [out, q] fp32
  at::Tensor S;          // [q] fp32
  at::Tensor V;          // [in, q] fp32
  std::string given_up;  // a decomposition that did not converge; usually empty
};

// `weight` is [out, in] fp32 and q <= min(out, in). With the same seed given to
// torch.manual_seed the start vectors are torch.svd_lowrank's.
LowRankFactors subspace_iteration(const at::Tensor& weight, std::int64_t q, std::int64_t niter,
                                  std::uint64_t seed);

}  // namespace svtune::detail
