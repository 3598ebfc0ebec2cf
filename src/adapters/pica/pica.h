// PiCa: W + U_r R with the r leading left singular vectors frozen and R [r, in] trained from zero.
// Source: PiCa 2505.20211 section 4. With sharing all layers of a kind train one R.
#pragma once

#include <string_view>

#include "adapters/spectral/spectral_method.h"
#include "base/fields.h"

namespace svtune {

struct PicaConfig {
  static constexpr std::string_view kName = "pica";
  static constexpr std::string_view kSummary = "an update within W's principal column space";
  std::int64_t rank = 16;
  double dropout = 0.0;
  bool share_kinds = false;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.rank, {.name = "rank",
                      .help = "Leading left singular vectors r that span the update",
                      .min = 1,
                      .max = 65536});
    visit(self.dropout,
          {.name = "dropout", .help = "Dropout on the adapter's input", .min = 0, .below = 1});
    visit(self.share_kinds,
          {.name = "share_kinds", .help = "Layers whose paths end in the same name train one R"});
  }
  bool operator==(const PicaConfig&) const = default;
};

inline SpectralPlan spectral_plan(const PicaConfig& config) {
  return {.rank = config.rank,
          .trains = SpectralPart::kRightSide,
          .dropout = config.dropout,
          .sharing = config.share_kinds ? SpectralSharing::kKind : SpectralSharing::kNone};
}

}  // namespace svtune
