// LoRA: W + (alpha / r)·B·A with W frozen; rsLoRA uses alpha / √r.
// Sources: LoRA 2106.09685; rsLoRA 2312.03732; LoRA+ 2402.12354; OLoRA 2406.01775; the starts from
// data: calibrated_start.cpp. Initialisations and per-layer patterns follow PEFT's configuration,
// so that files mean the same in both.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "adapters/calibration.h"
#include "adapters/low_rank/low_rank_config.h"
#include "adapters/method.h"
#include "adapters/peft_form.h"
#include "adapters/quantized_start.h"
#include "base/fields.h"

namespace svtune {

enum class LoraInit {
  kKaiming,
  kGaussian,
  kOrthogonal,
  kOlora,
  kLoftq,
  kEva,
  kCorda,
  kLoraGa,
  kLoraOne
};
inline constexpr EnumName<LoraInit> kLoraInitNames[] = {
    {LoraInit::kKaiming, "kaiming", "A uniform in ±1/sqrt(in), B zero"},
    {LoraInit::kGaussian, "gaussian", "A normal with deviation 1/rank, B zero"},
    {LoraInit::kOrthogonal, "orthogonal", "A and B random and large, with B A = 0; even ranks"},
    {LoraInit::kOlora, "olora", "A and B from a QR decomposition of W; the rest of W stays"},
    {LoraInit::kLoftq, "loftq", "A and B repair the rounding of a quantised base"},
    {LoraInit::kEva, "eva", "A from the principal components of the layer's inputs, B zero"},
    {LoraInit::kCorda, "corda", "A and B from W weighed by its inputs; the rest of W stays"},
    {LoraInit::kLoraGa, "lora_ga", "A and B from other triplets each of the loss's gradient by W"},
    {LoraInit::kLoraOne, "lora_one", "A and B from the leading triplets of that gradient"},
};
constexpr std::span<const EnumName<LoraInit>> enum_names(LoraInit) { return kLoraInitNames; }

enum class CordaMode { kInstruction, kKnowledge };
inline constexpr EnumName<CordaMode> kCordaModeNames[] = {
    {CordaMode::kInstruction, "ipm", "the part that matters most for the data trains"},
    {CordaMode::kKnowledge, "kpm", "the part that matters least for the data trains"},
};
constexpr std::span<const EnumName<CordaMode>> enum_names(CordaMode) { return kCordaModeNames; }

enum class GradientScale { kStable, kPeft };
inline constexpr EnumName<GradientScale> kGradientScaleNames[] = {
    {GradientScale::kStable, "stable", "both by out^(1/4) / sqrt(gamma), as in the paper"},
    {GradientScale::kPeft, "peft", "B alone, and by the gradient's singular values, as in PEFT"},
};
constexpr std::span<const EnumName<GradientScale>> enum_names(GradientScale) {
  return kGradientScaleNames;
}

struct LoraConfig {
  static constexpr std::string_view kName = "lora";
  static constexpr std::string_view kSummary = "low-rank update, random A and zero B";
  static constexpr std::string_view kPeftType = kPeftLora;
  static constexpr FieldCondition kFromData = only_with("init", "eva|corda|lora_ga|lora_one");
  LowRankConfig low_rank;
  LoraInit init = LoraInit::kKaiming;
  double b_rate_ratio = 1.0;
  std::int64_t calibration_batches = 8;
  double rank_spread = 1.0;
  CordaMode corda_mode = CordaMode::kInstruction;
  GradientScale gradient_scale = GradientScale::kStable;
  std::optional<double> stable_gamma = {};  // default: see gamma()
  bool first_step = false;
  bool precondition = false;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit.group("", self.low_rank);
    visit(self.init, {.name = "init", .help = "How A and B start"});
    visit(self.b_rate_ratio, {.name = "b_rate_ratio",
                              .help = "B learns at this many times the learning rate (LoRA+)",
                              .above = 0});
    visit(self.calibration_batches,
          {.name = "calibration_batches",
           .help = "Micro-batches of the training data, from the first, that the start is found on",
           .unit = "batches",
           .min = 1,
           .when = kFromData});
    visit(self.rank_spread, {.name = "rank_spread",
                             .help = "How much a layer's rank may grow, as a share of it, where "
                                     "others shrink; 0 keeps all ranks",
                             .min = 0,
                             .when = only_with("init", "eva")});
    visit(self.corda_mode, {.name = "corda_mode",
                            .help = "Which part of the weighed W trains",
                            .when = only_with("init", "corda")});
    visit(self.gradient_scale, {.name = "gradient_scale",
                                .help = "How factors from a gradient are scaled",
                                .when = only_with("init", "lora_ga")});
    visit(self.stable_gamma, {.name = "stable_gamma",
                              .help = "Larger ones make factors from a gradient smaller "
                                      "(default: 16 with lora_ga, 128 with lora_one)",
                              .above = 0,
                              .when = only_with("init", "lora_ga|lora_one")});
    visit(self.first_step, {.name = "first_step",
                            .help = "Start one step along the gradient away from the base, as the "
                                    "paper has it, with a LoRA of the rank itself",
                            .when = only_with("init", "lora_one")});
    visit(self.precondition, {.name = "precondition",
                              .help = "Divide the gradient of A by BᵀB and that of B by AAᵀ, as "
                                      "the paper has it",
                              .when = only_with("init", "lora_one")});
  }
  bool operator==(const LoraConfig&) const = default;

  // The papers' gamma; each has its own.
  double gamma() const { return stable_gamma.value_or(init == LoraInit::kLoraOne ? 128 : 16); }
};

inline MethodTraits traits(const LoraConfig& config) {
  return {.moves_start = config.init == LoraInit::kLoraOne && config.first_step};
}
// LoRA-One's preconditioner (preconditioner.h) where it is asked for, else null.
std::unique_ptr<MethodState> make_state(const LoraConfig& config, std::span<const LayerSite> sites);
AdapterInit make_adapter(const LoraConfig& config, const LayerSite& site);
AdapterInit make_empty_adapter(const LoraConfig& config, const LayerSite& site);
void check_layer(const LoraConfig& config, const LayerSite& site);

// Of the four starts from data (adapters/calibration.h); none for the others.
std::optional<CalibrationPlan> calibration_plan(const LoraConfig& config);
CalibrationCost calibration_cost(const LoraConfig& config, const LayerSite& site);
// Throws ModelError naming the layer when the data were too few.
CalibratedLayer calibrated_start(const LoraConfig& config, const LayerSite& site,
                                 const LayerSums& sums);
// The scaling of each layer stays what it was.
LoraConfig with_ranks(const LoraConfig& config, const std::map<std::string, std::int64_t>& ranks);

QuantizedStart<LoraConfig> quantized_start(const LoraConfig& config);
// Throws UsageError for LoftQ, which repairs a rounding that such a base has not.
void check_dense_start(const LoraConfig& config);

// None from OLoRA's, CorDA's, LoRA-GA's and, without its first step, LoRA-One's start: for the
// untouched base the change has rank 2r, as PiSSA's. From the orthogonal one a state file lies
// beside it.
std::optional<PeftForm> peft_form(const LoraConfig& config, const std::vector<Linear*>& layers);
std::optional<PeftForm> residual_form(const LoraConfig& config, const std::vector<Linear*>& layers);
std::optional<PeftReading<LoraConfig>> read_peft(PeftKeys& keys, std::type_identity<LoraConfig>);

}  // namespace svtune
