// SORSA: the r leading singular triplets of W train, U and V held near orthonormal by a penalty,
// the rest of W is frozen. Source: SORSA 2409.00055 section 3; that the penalty is the mean of its
// norms, and counts gamma over the learning rate in the loss, is the authors' code. It is AdaLoRA's
// adapter from PiSSA's start, of which nothing is pruned.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "adapters/adalora/adalora.h"
#include "base/errors.h"

namespace svtune {

struct SorsaConfig {
  static constexpr std::string_view kName = "sorsa";
  static constexpr std::string_view kSummary = "principal triplets train and stay near orthonormal";
  static constexpr bool kDecomposes = true;
  std::int64_t rank = 16;
  double dropout = 0.0;
  double orthogonal_weight = 13.3;  // their gamma 4e-4 over their rate 3e-5

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.rank,
          {.name = "rank", .help = "Leading triplets r that train", .min = 1, .max = 65536});
    visit(self.dropout,
          {.name = "dropout", .help = "Dropout on the adapter's input", .min = 0, .below = 1});
    visit(self.orthogonal_weight,
          {.name = "orthogonal_weight",
           .help = "Weight of the penalty on singular vectors that are not orthonormal",
           .min = 0});
  }
  bool operator==(const SorsaConfig&) const = default;

  AdaloraConfig adalora() const {
    return {.rank = rank,
            .dropout = dropout,
            .init = AdaloraInit::kPissa,
            .orthogonal_weight = orthogonal_weight};
  }
};

inline MethodTraits traits(const SorsaConfig& config) { return traits(config.adalora()); }
// Throws ModelError naming the layer for a rank that it cannot have and for a quantised base.
inline void check_layer(const SorsaConfig& config, const LayerSite& site) {
  if (site.base.quantized()) {
    throw ModelError(site.name +
                         ": SORSA takes its start from the full weights, these are "
                         "quantised already",
                     "Give the original model.");
  }
  check_layer(config.adalora(), site);
}
inline std::unique_ptr<MethodState> make_state(const SorsaConfig& config,
                                               std::span<const LayerSite> sites) {
  return make_state(config.adalora(), sites);
}
inline AdapterInit make_adapter(const SorsaConfig& config, const LayerSite& site) {
  return make_adapter(config.adalora(), site);
}
inline AdapterInit make_empty_adapter(const SorsaConfig& config, const LayerSite& site) {
  return make_empty_adapter(config.adalora(), site);
}
// Throws UsageError.
inline QuantizedStart<SorsaConfig> quantized_start(const SorsaConfig&) {
  throw UsageError("SORSA takes its start from the full weights",
                   "Leave out --base-dtype, or choose another method.");
}
// PEFT has no such type: a LoRA of rank 2r stands in the adapter's files, an AdaLoRA of rank r on
// the residual base.
inline std::optional<PeftForm> residual_form(const SorsaConfig& config,
                                             const std::vector<Linear*>& layers) {
  return residual_form(config.adalora(), layers);
}

}  // namespace svtune
