// SVF: W' = U diag(σ ∘ z) Vᵀ, z [n] trained from one, kept here as c = z - 1.
// Source: Transformer² 2501.06252 section 3.1, which trains z by reinforcement learning.
#pragma once

#include <string_view>

#include "adapters/spectral/spectral_method.h"
#include "base/fields.h"

namespace svtune {

struct SvfConfig {
  static constexpr std::string_view kName = "svf";
  static constexpr std::string_view kSummary = "each singular value gets a factor";

  template <class Self, class Visitor>
  static void fields(Self&, Visitor&) {}
  bool operator==(const SvfConfig&) const = default;
};

inline SpectralPlan spectral_plan(const SvfConfig&) {
  return {.rank = 0, .right_power = 1, .trains = SpectralPart::kDiagonal};
}

}  // namespace svtune
