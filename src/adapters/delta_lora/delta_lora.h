// Delta-LoRA: LoRA that hands each step's change of its product on to the weight as well,
// W ← W + λ·s·(B⁺A⁺ − BA) after every step past the first K. Source: Delta-LoRA 2309.02411
// section 3.
//
// The sum telescopes, so that W stays untouched: the layer computes W + s·BA + λ·s·(BA − B₁A₁) with
// the factors A₁, B₁ of step K, and the last part is a constant in backward.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "adapters/low_rank/low_rank_config.h"
#include "adapters/method.h"
#include "base/fields.h"

namespace svtune {

struct DeltaLoraConfig {
  static constexpr std::string_view kName = "delta_lora";
  static constexpr std::string_view kSummary = "LoRA whose change moves the weight as well";
  LowRankConfig low_rank;
  double weight_ratio = 1.0;
  std::int64_t weight_start = 0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit.group("", self.low_rank);
    visit(self.weight_ratio, {.name = "weight_ratio",
                              .help = "How much of a step's change the weight takes, the paper's "
                                      "lambda",
                              .above = 0});
    visit(self.weight_start, {.name = "weight_start",
                              .help = "Steps before the weight begins to move, the paper's K",
                              .unit = "steps",
                              .min = 0});
  }
  bool operator==(const DeltaLoraConfig&) const = default;
};

MethodTraits traits(const DeltaLoraConfig& config);
// Throws UsageError for dropout, which the method does not have, ModelError naming the layer for a
// rank that it cannot have.
void check_layer(const DeltaLoraConfig& config, const LayerSite& site);
std::unique_ptr<MethodState> make_state(const DeltaLoraConfig& config,
                                        std::span<const LayerSite> sites);
AdapterInit make_adapter(const DeltaLoraConfig& config, const LayerSite& site);
AdapterInit make_empty_adapter(const DeltaLoraConfig& config, const LayerSite& site);

}  // namespace svtune
