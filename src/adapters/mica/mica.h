// MiCA: LoRA whose B is the last r left singular vectors of W, frozen; A trains from zero.
// Source: MiCA 2604.01694, as PEFT 0.21 has it.
#pragma once

#include <optional>
#include <string_view>

#include "adapters/spectral/spectral_method.h"
#include "base/fields.h"

namespace svtune {

struct MicaConfig {
  static constexpr std::string_view kName = "mica";
  static constexpr std::string_view kSummary = "an update within W's minor column space";
  std::int64_t rank = 16;
  std::optional<double> alpha = {};
  double dropout = 0.0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.rank, {.name = "rank",
                      .help = "Last left singular vectors r that span the update",
                      .min = 1,
                      .max = 65536});
    visit(self.alpha, {.name = "alpha",
                       .help = "Numerator of the scaling alpha / rank (default: the rank)",
                       .above = 0});
    visit(self.dropout,
          {.name = "dropout", .help = "Dropout on the adapter's input", .min = 0, .below = 1});
  }
  bool operator==(const MicaConfig&) const = default;
};

inline SpectralPlan spectral_plan(const MicaConfig& config) {
  const auto rank = static_cast<double>(config.rank);
  return {.rank = config.rank,
          .window = SpectrumPart::kMinor,
          .trains = SpectralPart::kRightSide,
          .scaling = config.alpha.value_or(rank) / rank,
          .dropout = config.dropout};
}

}  // namespace svtune
