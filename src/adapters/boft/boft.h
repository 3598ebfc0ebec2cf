// BOFT: the layer's input turns by a product of sparse rotations, each of which mixes other
// coordinates than the one before, and the outputs have lengths of their own:
// y = ((x B_{m-1} ... B_1 B_0) Wᵀ) ∘ s. Source: BOFT 2311.06243 sections 4 and 5. Files follow PEFT
// 0.21, which without its CUDA extension reads adapters of one factor only.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>

#include "adapters/method.h"
#include "adapters/peft_form.h"
#include "base/fields.h"

namespace svtune {

struct BoftConfig {
  static constexpr std::string_view kName = "boft";
  static constexpr std::string_view kSummary = "the input turns by a butterfly of small blocks";
  static constexpr std::string_view kPeftType = "BOFT";
  std::int64_t block_size = 4;
  std::optional<std::int64_t> block_count = {};
  std::int64_t butterfly_factors = 1;
  double block_dropout = 0.0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.block_size, {.name = "block_size",
                            .help = "Side b of a block; it divides the inputs of every layer",
                            .min = 2,
                            .max = 4096});
    visit(self.block_count, {.name = "block_count",
                             .help = "Blocks of a layer, whatever their size",
                             .min = 1,
                             .instead_of = "block_size"});
    visit(self.butterfly_factors,
          {.name = "butterfly_factors",
           .help = "Factors m; b * 2^(m-1) divides the inputs, and each output depends on as many",
           .min = 1,
           .max = 32});
    visit(self.block_dropout,
          {.name = "block_dropout",
           .help = "Share of the blocks of one factor, another in each micro-batch, that do not "
                   "turn",
           .min = 0,
           .below = 1});
  }
  bool operator==(const BoftConfig&) const = default;
};

// Throws ModelError naming the layer whose inputs do not fall into such blocks.
void check_layer(const BoftConfig& config, const LayerSite& site);

AdapterInit make_adapter(const BoftConfig& config, const LayerSite& site);
AdapterInit make_empty_adapter(const BoftConfig& config, const LayerSite& site);

std::optional<PeftForm> peft_form(const BoftConfig& config, const std::vector<Linear*>& layers);
std::optional<PeftReading<BoftConfig>> read_peft(PeftKeys& keys, std::type_identity<BoftConfig>);

}  // namespace svtune
