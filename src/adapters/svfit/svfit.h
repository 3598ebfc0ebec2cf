// SVFit: the r leading singular values train, their vectors and the rest of W stay.
// Source: SVFit 2409.05926. Kept here as what the values gain, c [r] from zero.
#pragma once

#include <string_view>

#include "adapters/spectral/spectral_method.h"
#include "base/fields.h"

namespace svtune {

struct SvfitConfig {
  static constexpr std::string_view kName = "svfit";
  static constexpr std::string_view kSummary = "the leading singular values train";
  std::int64_t rank = 256;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.rank,
          {.name = "rank", .help = "Leading singular values r that train", .min = 1, .max = 65536});
  }
  bool operator==(const SvfitConfig&) const = default;
};

inline SpectralPlan spectral_plan(const SvfitConfig& config) {
  return {.rank = config.rank, .trains = SpectralPart::kDiagonal};
}

}  // namespace svtune
