// The family W + L C R: L and R are windows of W's singular vectors, C is small and trains, or one
// of the sides trains itself. A method of the family is a folder with one header, a config struct
// and spectral_plan(config); spectral_method.h makes its adapters, spectral_linear.h their product.
#pragma once

#include <cstdint>

#include "linalg/svd.h"

namespace svtune {

// What trains, and so how C [r, r] follows from it. All start where C is zero.
enum class SpectralPart {
  kDiagonal,  // c [r]: C = diag(c)
  kBlock,     // C itself
  kNumbers,   // v [count]: C = Σ v_i P_i, P_i [r, r] fixed, normal with variance 1 / r
  kRotation,  // Q [r(r-1)/2]: C = R - 1, R = (1 + Q)(1 - Q)⁻¹
  kLeftSide,  // L [out, r] instead of the window of U, from zero; C = 1
  kRightSide  // R [r, in] instead of the window of V, from zero; C = 1
};

// Which layers train the same numbers. The run's state has the leaves; of each group the first
// layer in the model's order lists its leaf as trained, the others only use it.
enum class SpectralSharing {
  kNone,
  kKind,  // those whose paths end in the same name, and whose leaves have the same shape
  kAll    // all whose leaves have the same shape
};

struct SpectralPlan {
  std::int64_t rank = 0;  // r; 0: all triplets
  SpectrumPart window = SpectrumPart::kPrincipal;
  double left_power = 0, right_power = 0;  // L = U Σ^left [out, r], R = Σ^right Vᵀ [r, in]
  SpectralPart trains = SpectralPart::kBlock;
  std::int64_t count = 0;        // of kNumbers
  bool rotation_scales = false;  // C = diag(b) R diag(a) - 1, a and b [r] train from one
  double scaling = 1;            // multiplies C
  double dropout = 0;            // on what R receives
  SpectralSharing sharing = SpectralSharing::kNone;
  bool lapack_signs = false;  // of the leading vectors: those that gesdd gives W in fp32
};

}  // namespace svtune
