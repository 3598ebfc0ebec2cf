// FLoRA ("Fast LoRA"): W' = W ∘ (B A), each weight times a number from a low-rank matrix:
// y = Σ_j b_j ∘ (W (a_j ∘ x)) over the r rows a_j of A and columns b_j of B.
// Source: FLoRA 2312.05677 section 3, with one adapter for the whole batch. Not the federated
// FLoRA, nor Flora, which compresses gradients.
#pragma once

#include <cstdint>
#include <string_view>

#include "adapters/method.h"
#include "base/fields.h"

namespace svtune {

struct FloraConfig {
  static constexpr std::string_view kName = "flora";
  static constexpr std::string_view kSummary = "each weight times a number of a low-rank matrix";
  std::int64_t rank = 1;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.rank, {.name = "rank",
                      .help = "Pairs of scales r; each costs a product with the weight",
                      .min = 1,
                      .max = 64});
  }
  bool operator==(const FloraConfig&) const = default;
};

// Throws ModelError naming the layer for a rank that it cannot have.
void check_layer(const FloraConfig& config, const LayerSite& site);
AdapterInit make_adapter(const FloraConfig& config, const LayerSite& site);
AdapterInit make_empty_adapter(const FloraConfig& config, const LayerSite& site);

}  // namespace svtune
