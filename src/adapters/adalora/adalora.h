// AdaLoRA: W + s·B diag(E) A, whose triplets (column of B, entry of E, row of A) compete for a
// budget that shrinks over the run. Source: AdaLoRA 2303.10512 sections 3.1 to 3.3. Scale, order
// of the steps and files are those of PEFT. With PiSSA's start B, E and A are W's principal
// triplets, W less them is the rest, and nothing is pruned (PiSSA 2404.02948, table 5).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "adapters/method.h"
#include "adapters/peft_form.h"
#include "adapters/quantized_start.h"
#include "base/fields.h"

namespace svtune {

enum class AdaloraInit { kNormal, kPissa };
inline constexpr EnumName<AdaloraInit> kAdaloraInitNames[] = {
    {AdaloraInit::kNormal, "normal", "A and B normal with deviation 0.02, E zero"},
    {AdaloraInit::kPissa, "pissa", "the principal singular triplets; none is pruned"},
};
constexpr std::span<const EnumName<AdaloraInit>> enum_names(AdaloraInit) {
  return kAdaloraInitNames;
}

enum class OrthogonalPenalty { kNorms, kSquares };
inline constexpr EnumName<OrthogonalPenalty> kOrthogonalPenaltyNames[] = {
    {OrthogonalPenalty::kNorms, "norms", "the mean of the matrices' norms, as in PEFT"},
    {OrthogonalPenalty::kSquares, "squares", "the sum of their squares, as in the paper"},
};
constexpr std::span<const EnumName<OrthogonalPenalty>> enum_names(OrthogonalPenalty) {
  return kOrthogonalPenaltyNames;
}

struct AdaloraConfig {
  static constexpr std::string_view kName = "adalora";
  static constexpr std::string_view kSummary = "triplets that compete for a shrinking budget";
  static constexpr std::string_view kPeftType = "ADALORA";
  std::int64_t rank = 12;
  std::int64_t target_rank = 8;
  std::optional<double> alpha = {};
  double dropout = 0.0;
  AdaloraInit init = AdaloraInit::kNormal;
  std::int64_t full_budget_steps = 0;
  std::int64_t final_budget_steps = 0;
  std::int64_t budget_interval = 1;
  double importance_decay = 0.85;
  double uncertainty_decay = 0.85;
  double orthogonal_weight = 0.5;
  OrthogonalPenalty orthogonal_penalty = OrthogonalPenalty::kNorms;
  // Of an adapter whose budget was final when it was saved; no options.
  std::map<std::string, std::vector<bool>> kept = {};  // layer -> which of its triplets are left
  std::int64_t total_steps = 0;                        // of the run that made it; 0: unknown

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    const FieldCondition prunes = only_with("init", "normal");
    visit(self.rank,
          {.name = "rank", .help = "Triplets of each layer at the start", .min = 1, .max = 65536});
    visit(self.target_rank, {.name = "target_rank",
                             .help = "Triplets that are left at the end, on average over layers",
                             .min = 1,
                             .max = 65536,
                             .when = prunes});
    visit(self.alpha, {.name = "alpha",
                       .help = "Numerator of the scaling alpha / rank (default: the rank)",
                       .above = 0});
    visit(self.dropout,
          {.name = "dropout", .help = "Dropout on the adapter's input", .min = 0, .below = 1});
    visit(self.init, {.name = "init", .help = "How A, E and B start"});
    visit(self.full_budget_steps, {.name = "full_budget_steps",
                                   .help = "Steps before the budget begins to shrink",
                                   .unit = "steps",
                                   .min = 0,
                                   .when = prunes});
    visit(self.final_budget_steps, {.name = "final_budget_steps",
                                    .help = "Last steps, in which the kept triplets stay the same",
                                    .unit = "steps",
                                    .min = 0,
                                    .when = prunes});
    visit(self.budget_interval, {.name = "budget_interval",
                                 .help = "Steps from one choice of the kept triplets to the next",
                                 .unit = "steps",
                                 .min = 1,
                                 .when = prunes});
    visit(self.importance_decay, {.name = "importance_decay",
                                  .help = "Decay of the mean importance of a number",
                                  .above = 0,
                                  .below = 1,
                                  .when = prunes});
    visit(self.uncertainty_decay, {.name = "uncertainty_decay",
                                   .help = "Decay of how far importances lie from their mean",
                                   .above = 0,
                                   .below = 1,
                                   .when = prunes});
    visit(self.orthogonal_weight,
          {.name = "orthogonal_weight",
           .help = "Weight of the penalty on rows of A and columns of B that are not orthonormal",
           .min = 0});
    visit(self.orthogonal_penalty,
          {.name = "orthogonal_penalty", .help = "What that penalty sums"});
  }
  bool operator==(const AdaloraConfig&) const = default;

  bool prunes() const { return init == AdaloraInit::kNormal; }
  // Triplets that the adapter of a layer holds.
  std::int64_t rank_of(const std::string& layer) const;
  // PEFT's: alpha over the rank and a hundred-thousandth.
  double scaling() const;
};

MethodTraits traits(const AdaloraConfig& config);

// Throws UsageError for a target above the rank, ModelError naming the layer for a rank it cannot
// have, and for a quantised base under PiSSA's start.
void check_layer(const AdaloraConfig& config, const LayerSite& site);

std::unique_ptr<MethodState> make_state(const AdaloraConfig& config,
                                        std::span<const LayerSite> sites);
AdapterInit make_adapter(const AdaloraConfig& config, const LayerSite& site);
AdapterInit make_empty_adapter(const AdaloraConfig& config, const LayerSite& site);

// Throws UsageError for PiSSA's start, which is taken from the full weights.
QuantizedStart<AdaloraConfig> quantized_start(const AdaloraConfig& config);

// Once the budget is final the file holds the kept triplets alone, and which they were. With
// PiSSA's start an AdaLoRA of rank 2r stands in it, and a state file beside it.
std::optional<PeftForm> peft_form(const AdaloraConfig& config, const std::vector<Linear*>& layers);
std::optional<PeftForm> residual_form(const AdaloraConfig& config,
                                      const std::vector<Linear*>& layers);
std::optional<PeftReading<AdaloraConfig>> read_peft(PeftKeys& keys,
                                                    std::type_identity<AdaloraConfig>);

}  // namespace svtune
