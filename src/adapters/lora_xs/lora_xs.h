// LoRA-XS: W + U Σ C Vᵀ between the r leading singular triplets, C [r, r] trained.
// Source: LoRA-XS 2405.17604 section 3. The paper starts C at noise of deviation 1e-5; here it
// starts at zero, where the gradient is the same to first order and the model exactly the base.
#pragma once

#include <string_view>

#include "adapters/spectral/spectral_method.h"
#include "base/fields.h"

namespace svtune {

struct LoraXsConfig {
  static constexpr std::string_view kName = "lora_xs";
  static constexpr std::string_view kSummary = "a small dense block between principal vectors";
  std::int64_t rank = 64;
  double dropout = 0.0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.rank, {.name = "rank",
                      .help = "Leading triplets r; r * r numbers train in each layer",
                      .min = 1,
                      .max = 65536});
    visit(self.dropout,
          {.name = "dropout", .help = "Dropout on the adapter's input", .min = 0, .below = 1});
  }
  bool operator==(const LoraXsConfig&) const = default;
};

inline SpectralPlan spectral_plan(const LoraXsConfig& config) {
  return {.rank = config.rank,
          .left_power = 1,
          .trains = SpectralPart::kBlock,
          .dropout = config.dropout};
}

}  // namespace svtune
