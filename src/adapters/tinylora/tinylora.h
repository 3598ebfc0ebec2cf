// TinyLoRA: LoRA-XS whose block is a sum of few fixed random ones, W + U √Σ (Σ v_i P_i) √Σ Vᵀ; only
// the numbers v train. Source: TinyLoRA 2602.04118, with the sides and the variance 1 / r of P that
// PEFT 0.21 takes. With tying v is one for all layers, or for those of a kind.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

#include "adapters/peft_form.h"
#include "adapters/spectral/spectral_method.h"
#include "base/fields.h"

namespace svtune {

enum class TinyloraTie { kNone, kKinds, kAll };
inline constexpr EnumName<TinyloraTie> kTinyloraTieNames[] = {
    {TinyloraTie::kNone, "none", "each layer its own"},
    {TinyloraTie::kKinds, "kinds", "layers whose paths end in the same name the same"},
    {TinyloraTie::kAll, "all", "all layers the same"},
};
constexpr std::span<const EnumName<TinyloraTie>> enum_names(TinyloraTie) {
  return kTinyloraTieNames;
}

struct TinyloraConfig {
  static constexpr std::string_view kName = "tinylora";
  static constexpr std::string_view kSummary = "a handful of numbers per layer";
  static constexpr std::string_view kPeftType = "TINYLORA";
  std::int64_t rank = 2;
  std::int64_t numbers = 64;
  double dropout = 0.0;
  TinyloraTie tie = TinyloraTie::kNone;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.rank, {.name = "rank", .help = "Leading triplets r", .min = 1, .max = 1024});
    visit(self.numbers,
          {.name = "numbers", .help = "Trained numbers of each layer", .min = 1, .max = 65536});
    visit(self.tie, {.name = "tie", .help = "Which layers train the same numbers"});
    visit(self.dropout,
          {.name = "dropout", .help = "Dropout on the adapter's input", .min = 0, .below = 1});
  }
  bool operator==(const TinyloraConfig&) const = default;
};

inline SpectralSharing spectral_sharing(TinyloraTie tie) {
  if (tie == TinyloraTie::kNone) return SpectralSharing::kNone;
  return tie == TinyloraTie::kAll ? SpectralSharing::kAll : SpectralSharing::kKind;
}

inline SpectralPlan spectral_plan(const TinyloraConfig& config) {
  return {.rank = config.rank,
          .left_power = 0.5,
          .right_power = 0.5,
          .trains = SpectralPart::kNumbers,
          .count = config.numbers,
          .dropout = config.dropout,
          .sharing = spectral_sharing(config.tie)};
}

// PEFT's files hold the sides and, unless save_projection is false, the fixed matrices.
std::optional<PeftReading<TinyloraConfig>> read_peft(PeftKeys& keys,
                                                     std::type_identity<TinyloraConfig>);

}  // namespace svtune
