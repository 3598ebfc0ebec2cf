// What decompositions give: triplets, and how exact they are.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace svtune {

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

}  // namespace svtune
