// PSOFT: the r leading triplets turn among themselves, W + U Σ (diag(b) R diag(a) - 1) Vᵀ with R
// [r, r] orthogonal by Cayley's map and a, b [r] trained from one. Source: PSOFT 2505.11235 section
// 4, with the signs and the start of PEFT 0.21.
#pragma once

#include <optional>
#include <string_view>
#include <type_traits>

#include "adapters/peft_form.h"
#include "adapters/spectral/spectral_method.h"
#include "base/fields.h"

namespace svtune {

struct PsoftConfig {
  static constexpr std::string_view kName = "psoft";
  static constexpr std::string_view kSummary = "the principal subspace turns";
  static constexpr std::string_view kPeftType = "PSOFT";
  std::int64_t rank = 32;
  bool scales = true;
  double dropout = 0.0;
  bool lapack_signs = false;  // no option: of an adapter that PEFT wrote, see SpectralPlan

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.rank,
          {.name = "rank", .help = "Leading triplets r that turn", .min = 2, .max = 4096});
    visit(self.scales,
          {.name = "scales",
           .help = "Each of the directions before and after the turn has a trained length too"});
    visit(self.dropout,
          {.name = "dropout", .help = "Dropout on the adapter's input", .min = 0, .below = 1});
  }
  bool operator==(const PsoftConfig&) const = default;
};

inline SpectralPlan spectral_plan(const PsoftConfig& config) {
  return {.rank = config.rank,
          .left_power = 1,
          .trains = SpectralPart::kRotation,
          .rotation_scales = config.scales,
          .dropout = config.dropout,
          .lapack_signs = config.lapack_signs};
}

// PEFT's files hold what turns and not the vectors, which are decomposed again on loading.
std::optional<PeftReading<PsoftConfig>> read_peft(PeftKeys& keys, std::type_identity<PsoftConfig>);

}  // namespace svtune
