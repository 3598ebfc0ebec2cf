// PiCa: W + M Vᵀ with the r leading singular vectors on the input's side frozen and M [out, r]
// trained from zero. Source: PiCa 2505.20211 section 4 with the authors' code: the paper writes
// y = x W, whose left vectors U are those V of W [out, in] here. Layers of a kind train one M.
#pragma once

#include <span>
#include <string_view>

#include "adapters/spectral/spectral_method.h"
#include "base/fields.h"

namespace svtune {

enum class PicaSide { kInputs, kOutputs };
inline constexpr EnumName<PicaSide> kPicaSideNames[] = {
    {PicaSide::kInputs, "inputs", "that of the inputs, as in the authors' code; outputs train"},
    {PicaSide::kOutputs, "outputs", "that of the outputs; inputs train"},
};
constexpr std::span<const EnumName<PicaSide>> enum_names(PicaSide) { return kPicaSideNames; }

struct PicaConfig {
  static constexpr std::string_view kName = "pica";
  static constexpr std::string_view kSummary = "an update within W's principal column space";
  std::int64_t rank = 256;
  double dropout = 0.0;
  PicaSide frozen_side = PicaSide::kInputs;
  bool share_kinds = true;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.rank, {.name = "rank",
                      .help = "Leading singular vectors r that span the update",
                      .min = 1,
                      .max = 65536});
    visit(self.dropout,
          {.name = "dropout", .help = "Dropout on the adapter's input", .min = 0, .below = 1});
    visit(self.frozen_side,
          {.name = "frozen_side", .help = "Which side of the update W's singular vectors are"});
    visit(self.share_kinds, {.name = "share_kinds",
                             .help = "Layers whose paths end in the same name train one matrix"});
  }
  bool operator==(const PicaConfig&) const = default;
};

inline SpectralPlan spectral_plan(const PicaConfig& config) {
  const bool inputs = config.frozen_side == PicaSide::kInputs;
  return {.rank = config.rank,
          .trains = inputs ? SpectralPart::kLeftSide : SpectralPart::kRightSide,
          .dropout = config.dropout,
          .sharing = config.share_kinds ? SpectralSharing::kKind : SpectralSharing::kNone};
}

}  // namespace svtune
