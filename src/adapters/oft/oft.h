// OFT: the layer's input turns blockwise, y = (x R) Wᵀ with R = blockdiag(R₁, R₂, ...), each block
// orthogonal and made from a skew-symmetric Q. Source: OFT 2306.07280; the form that turns the
// input and the truncated series are those of OFTv2 (2506.19847). Files follow PEFT 0.21.
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

enum class OftRotation { kSeries, kCayley };
inline constexpr EnumName<OftRotation> kOftRotationNames[] = {
    {OftRotation::kSeries, "series", "the first terms of (1 + Q)(1 - Q)^-1, nearly orthogonal"},
    {OftRotation::kCayley, "cayley", "(1 - Q)(1 + Q)^-1, orthogonal to rounding"},
};
constexpr std::span<const EnumName<OftRotation>> enum_names(OftRotation) {
  return kOftRotationNames;
}

struct OftConfig {
  static constexpr std::string_view kName = "oft";
  static constexpr std::string_view kSummary = "the input turns in blocks before the weight";
  static constexpr std::string_view kPeftType = "OFT";
  std::int64_t block_size = 32;
  std::optional<std::int64_t> block_count = {};
  OftRotation rotation = OftRotation::kSeries;
  std::int64_t series_terms = 5;
  bool block_share = false;
  std::optional<double> largest_rotation = {};

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
    visit(self.rotation, {.name = "rotation", .help = "How a block follows from its Q"});
    visit(self.series_terms, {.name = "series_terms",
                              .help = "Terms of the series",
                              .min = 2,
                              .max = 64,
                              .when = only_with("rotation", "series")});
    visit(self.block_share, {.name = "block_share", .help = "All blocks of a layer turn alike"});
    visit(self.largest_rotation,
          {.name = "largest_rotation",
           .help = "Constrained OFT: the norm of all Q of a layer stays below this (PEFT's eps)",
           .above = 0});
  }
  bool operator==(const OftConfig&) const = default;
};

// Throws ModelError naming the layer whose inputs do not fall into such blocks.
void check_layer(const OftConfig& config, const LayerSite& site);

AdapterInit make_adapter(const OftConfig& config, const LayerSite& site);
// For files: a size that does not divide the inputs moves to the nearest that does, as in PEFT.
AdapterInit make_empty_adapter(const OftConfig& config, const LayerSite& site);

std::optional<PeftForm> peft_form(const OftConfig& config, const std::vector<Linear*>& layers);
std::optional<PeftReading<OftConfig>> read_peft(PeftKeys& keys, std::type_identity<OftConfig>);

}  // namespace svtune
