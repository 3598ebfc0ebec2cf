// Sixteen numbers by which singular vectors are recognised, since M means nothing without them.
//
//   p_s = a_sᵀ (U R Vᵀ) b_s        R fixed random numbers on M's positions, a_s and b_s random
//   signs
//
// For two bases, the mean of (p_s - p'_s)² estimates ‖U R Vᵀ - U' R V'ᵀ‖² (Frobenius), so the
// distance below is the error of an update with random entries, relative to the update: rounding
// of a decomposition changes it by 1e-6 to 1e-3, one pair of wrong sign among n by about 2 / √n.
#pragma once

#include <ATen/core/Tensor.h>

#include "adapters/svft/sparse_matrix.h"

namespace svtune {

inline constexpr std::int64_t kProbeSize = 16;
// What a recomputed basis may differ by; factors rounded to bf16 differ as much from exact ones.
inline constexpr double kProbeTolerance = 4e-3;

// `Uh` [n, out] and `Vh` [n, in] in any dtype -> [kProbeSize] fp32 on the CPU.
at::Tensor basis_probe(const SparsePattern& pattern, const at::Tensor& Uh, const at::Tensor& Vh);

// Of two probes of patterns with `count` positions.
double probe_distance(const at::Tensor& a, const at::Tensor& b, std::int64_t count);

// U R Vᵀ ω [out] with ω as random as R: what files of format 1 hold, of the basis in the run's
// dtype; its relative distance is the measure there.
at::Tensor old_basis_probe(const SparsePattern& pattern, const at::Tensor& Uh,
                           const at::Tensor& Vh);
inline constexpr double kOldProbeTolerance = 1e-3;

}  // namespace svtune
