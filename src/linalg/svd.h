// Singular value decompositions of weights: the leading triplets at a fraction of the price
// of a full decomposition, with a certificate of how exact they are, and the full one.
//
// Results depend on the weight, the options and the CPU type, not on the number of threads
// (full_svd of a single large matrix excepted: its LAPACK call uses all threads).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

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

struct SvdCertificate {
  std::string algorithm;    // what was used, with its parameters
  std::string fallback;     // what was given up before, and why; empty when nothing was
  std::int64_t passes = 0;  // times the weight was read
  // [r] fp64, of the returned fp32 triplets: ‖Wᵀu − σv‖ or ‖Wv − σu‖, whichever the
  // algorithm does not make zero (up to rounding) by construction.
  at::Tensor residuals;
  double max_residual = 0;     // largest residual relative to the largest σ returned
  double captured_energy = 0;  // Σσ² / ‖W‖²; 1 for a zero weight
};

struct TruncatedSvd {
  at::Tensor U;  // [out, r] fp32; the entry of largest size in each column is positive
  at::Tensor S;  // [r] fp32, descending
  at::Tensor V;  // [in, r] fp32
  SvdCertificate certificate;
};

struct ThinSvd {
  at::Tensor U;           // [out, n] fp32, signs as above
  at::Tensor S;           // [n] fp32, descending
  at::Tensor V;           // [in, n] fp32
  std::string algorithm;  // what was used
  std::string fallback;   // what was given up before, and why; empty when nothing was
};

// `weight` is [out, in] in bf16, fp16, fp32 or fp64. Workspace: at most three fp32 copies of
// the weight besides n x n matrices.
// Throws std::invalid_argument when the rank (or range) does not lie within 1 .. n or an
// option is out of range, ModelError when an entry is not finite or nothing converges.
TruncatedSvd truncated_svd(const at::Tensor& weight, std::int64_t rank,
                           const TruncatedSvdOptions& options = {});

// All n triplets: orthogonal to 1e-5, product within 1e-6 of the weight (relative).
// Throws as above.
ThinSvd full_svd(const at::Tensor& weight);

}  // namespace svtune
