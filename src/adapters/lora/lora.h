// LoRA: W + (alpha / r)·B·A with W frozen; rsLoRA uses alpha / √r.
// Sources: LoRA 2106.09685; rsLoRA 2312.03732. Initialisations and per-layer patterns follow
// PEFT's configuration, so that files mean the same in both.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "adapters/method.h"
#include "base/fields.h"

namespace svtune {

enum class LoraInit { kKaiming, kGaussian, kLoftq };
inline constexpr EnumName<LoraInit> kLoraInitNames[] = {
    {LoraInit::kKaiming, "kaiming", "A uniform in ±1/sqrt(in), B zero"},
    {LoraInit::kGaussian, "gaussian", "A normal with deviation 1/rank, B zero"},
    {LoraInit::kLoftq, "loftq", "A and B repair the rounding of a quantised base"},
};
constexpr std::span<const EnumName<LoraInit>> enum_names(LoraInit) { return kLoraInitNames; }

// What LoRA and PiSSA share: sizes and scale of the two factors.
struct LowRankConfig {
  std::int64_t rank = 16;
  std::optional<double> alpha = {};  // default: the rank, so that the scaling is 1
  bool rslora = false;
  double dropout = 0.0;
  std::map<std::string, std::int64_t> rank_pattern = {};
  std::map<std::string, double> alpha_pattern = {};

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.rank,
          {.name = "rank", .help = "Rank r of the factors A and B", .min = 1, .max = 65536});
    visit(self.alpha, {.name = "alpha",
                       .help = "Numerator of the scaling alpha / rank (default: the rank)",
                       .above = 0});
    visit(self.rslora,
          {.name = "rslora", .help = "Scale by alpha / sqrt(rank) instead of alpha / rank"});
    visit(self.dropout,
          {.name = "dropout", .help = "Dropout on the adapter's input", .min = 0, .below = 1});
    visit(self.rank_pattern,
          {.name = "rank_pattern", .help = "Other ranks for layers whose name ends like a key"});
    visit(self.alpha_pattern,
          {.name = "alpha_pattern", .help = "Other alphas for layers whose name ends like a key"});
  }
};

struct LoraConfig {
  static constexpr std::string_view kName = "lora";
  static constexpr std::string_view kSummary = "low-rank update, random A and zero B";
  LowRankConfig low_rank;
  LoraInit init = LoraInit::kKaiming;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit.group("", self.low_rank);
    visit(self.init, {.name = "init", .help = "How A starts"});
  }
};

// Rank and scaling of one layer after the patterns. Throws ModelError naming the layer when
// the rank exceeds min(in, out).
struct LowRankShape {
  std::int64_t rank;
  double alpha;
  double scaling;
};
LowRankShape low_rank_shape(const LowRankConfig& config, const LayerSite& site);
// The same without that limit: files of other tools may hold factors of any rank.
LowRankShape stored_low_rank_shape(const LowRankConfig& config, const LayerSite& site);

AdapterInit make_adapter(const LoraConfig& config, const LayerSite& site);
AdapterInit make_empty_adapter(const LoraConfig& config, const LayerSite& site);

}  // namespace svtune
