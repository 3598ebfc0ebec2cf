// What methods with two thin factors share: sizes and scale of A and B.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/method.h"
#include "base/fields.h"

namespace svtune {

inline constexpr std::string_view kPeftLora = "LORA";  // PEFT's type of these methods
// Its names of A and B, below a layer's.
inline constexpr char kPeftFactorA[] = "lora_A.weight", kPeftFactorB[] = "lora_B.weight";

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
    visit(self.rank_pattern, {.name = "rank_pattern",
                              .help = "Other ranks for layers whose name ends like a key",
                              .keys_are_layers = true});
    visit(self.alpha_pattern, {.name = "alpha_pattern",
                               .help = "Other alphas for layers whose name ends like a key",
                               .above = 0,
                               .keys_are_layers = true});
  }

  bool operator==(const LowRankConfig&) const = default;
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

// fp32 factors; fp64 for an fp64 base, so that tests can differentiate numerically.
at::TensorOptions factor_options(const BaseWeight& base);

// A [rank, in] from the layer's own stream: uniform in ±1/sqrt(in), or normal with deviation
// 1/rank, as in PEFT.
at::Tensor uniform_factor(const LayerSite& site, std::int64_t rank);
at::Tensor normal_factor(const LayerSite& site, std::int64_t rank);

}  // namespace svtune
