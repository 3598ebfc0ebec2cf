// Singular value decompositions of weights: the leading triplets at a fraction of the price
// of a full decomposition, with a certificate of how exact they are, and the full one.
//
// Results depend on the weight, the options and the CPU type, not on the number of threads
// (full_svd of a single large matrix excepted: its LAPACK call uses all threads).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "linalg/svd_result.h"

namespace svtune {

enum class SvdAlgorithm {
  kExact,  // verified: the rank-r product is within 1e-4 of the fp64 one where the gap permits
  kFast,   // torch.svd_lowrank: `niter` subspace iterations from `rank + oversample` vectors
};

// Which triplets of the descending spectrum are wanted; n = min(out, in).
enum class SpectrumPart {
  kPrincipal,  // 0 .. rank
  kMedium,     // rank triplets from (n - rank) / 2
  kMinor,      // the last rank triplets
  kRange,      // rank triplets from `range_begin`
};

struct TruncatedSvdOptions {
  SvdAlgorithm algorithm = SvdAlgorithm::kExact;
  SpectrumPart part = SpectrumPart::kPrincipal;  // kFast knows kPrincipal only
  std::int64_t range_begin = 0;
  std::int64_t niter = 16;      // kFast: subspace iterations, >= 0
  std::int64_t oversample = 0;  // kFast: vectors beyond the rank, >= 0; cut to fit n
  std::uint64_t seed = 0;       // start vectors
};

// `weight` is [out, in] in bf16, fp16, fp32 or fp64. Workspace: at most three fp32 copies of
// the weight besides n x n matrices.
// Throws std::invalid_argument when the rank (or range) does not lie within 1 .. n or an
// option is out of range, ModelError when an entry is not finite or nothing converges.
TruncatedSvd truncated_svd(const at::Tensor& weight, std::int64_t rank,
                           const TruncatedSvdOptions& options = {});

// Bytes that it takes beside a weight [out, in] in fp32 on its usual way: for leading triplets by
// the Gram matrix, for others by a dense decomposition in fp64.
std::int64_t truncated_svd_workspace(std::int64_t out, std::int64_t in, SpectrumPart part);

// All n triplets: orthogonal to 1e-5, product within 1e-6 of the weight (relative).
// Throws as above.
ThinSvd full_svd(const at::Tensor& weight);

}  // namespace svtune
