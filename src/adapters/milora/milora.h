// MiLoRA: PiSSA on the last r singular triplets: the least of W trains, the rest stays.
// Source: MiLoRA 2406.09044 section 3.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "adapters/pissa/pissa.h"
#include "base/errors.h"

namespace svtune {

struct MiloraConfig {
  static constexpr std::string_view kName = "milora";
  static constexpr std::string_view kSummary = "low-rank update from minor singular triplets";
  static constexpr bool kDecomposes = true;
  LowRankConfig low_rank;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit.group("", self.low_rank);
  }
  bool operator==(const MiloraConfig&) const = default;

  PissaConfig pissa() const { return {.low_rank = low_rank, .singular_values = "minor"}; }
};

inline MethodTraits traits(const MiloraConfig& config) { return traits(config.pissa()); }
inline void check_layer(const MiloraConfig& config, const LayerSite& site) {
  check_layer(config.pissa(), site);
}
inline AdapterInit make_adapter(const MiloraConfig& config, const LayerSite& site) {
  return make_adapter(config.pissa(), site);
}
inline AdapterInit make_empty_adapter(const MiloraConfig& config, const LayerSite& site) {
  return make_empty_adapter(config.pissa(), site);
}
// Throws UsageError: what quantisation takes away drowns the last triplets.
inline QuantizedStart<MiloraConfig> quantized_start(const MiloraConfig&) {
  throw UsageError("MiLoRA takes its start from the full weights",
                   "Leave out --base-dtype, or choose another method.");
}
inline std::optional<PeftForm> residual_form(const MiloraConfig& config,
                                             const std::vector<Linear*>& layers) {
  return residual_form(config.pissa(), layers);
}

}  // namespace svtune
