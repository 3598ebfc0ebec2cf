// PiSSA: A and B start as the principal singular triplets of W and train, the rest of W is
// frozen. Source: PiSSA 2404.02948 section 3; methods of the fast SVD: appendix.
//
// The weight itself stays untouched: the layer computes W + s·(BA − B₀A₀) in difference form
// (LowRankAdapter), which equals W_res + s·BA and starts exactly at W also for a bf16 base.
#pragma once

#include <span>
#include <string>

#include "adapters/lora/lora.h"
#include "linalg/svd.h"

namespace svtune {

enum class PissaSvd { kExact, kFast };
inline constexpr EnumName<PissaSvd> kPissaSvdNames[] = {
    {PissaSvd::kExact, "exact", "verified leading triplets"},
    {PissaSvd::kFast, "fast", "randomised subspace iteration, as torch.svd_lowrank"},
};
constexpr std::span<const EnumName<PissaSvd>> enum_names(PissaSvd) { return kPissaSvdNames; }

enum class InitialFactors { kStored, kRecompute };
inline constexpr EnumName<InitialFactors> kInitialFactorsNames[] = {
    {InitialFactors::kStored, "stored", "they lie in it, with the LoRA of rank 2r that PEFT loads"},
    {InitialFactors::kRecompute, "recompute",
     "A, B and a hash of what they started from, which is decomposed again on loading"},
};
constexpr std::span<const EnumName<InitialFactors>> enum_names(InitialFactors) {
  return kInitialFactorsNames;
}

struct PissaConfig {
  static constexpr std::string_view kName = "pissa";
  static constexpr std::string_view kSummary = "low-rank update from principal singular triplets";
  static constexpr std::string_view kPeftType = kPeftLora;
  LowRankConfig low_rank;
  PissaSvd svd = PissaSvd::kExact;
  std::int64_t niter = 16;
  std::int64_t oversample = 0;
  std::string singular_values = "principal";
  InitialFactors initial_factors = InitialFactors::kStored;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit.group("", self.low_rank);
    // On a quantised base the rounds of QPiSSA decompose in their own way.
    visit(self.svd, {.name = "svd",
                     .help = "Decomposition that gives the start",
                     .when = not_with("base_dtype")});
    visit(self.niter, {.name = "niter",
                       .help = "Subspace iterations",
                       .min = 0,
                       .max = 1000,
                       .when = only_with("svd", "fast")});
    visit(self.oversample, {.name = "oversample",
                            .help = "Extra vectors of the subspace",
                            .min = 0,
                            .max = 4096,
                            .when = only_with("svd", "fast")});
    visit(self.singular_values,
          {.name = "singular_values",
           .help = "Which part of the descending spectrum trains: its beginning, middle or end, "
                   "or the values A to B - 1, as many as the rank",
           .value_name = "principal|medium|minor|A:B",
           .when = not_with("base_dtype")});
    visit(self.initial_factors, {.name = "initial_factors",
                                 .help = "What the adapter file holds of the start",
                                 .when = not_with("base_dtype")});
  }
  bool operator==(const PissaConfig&) const = default;
};

MethodTraits traits(const PissaConfig& config);

// Throws UsageError for singular values that are not understood, not as many as the layer's
// rank, or not principal with the fast SVD, ModelError naming the layer for ones it has not and
// for a quantised base.
void check_layer(const PissaConfig& config, const LayerSite& site);

AdapterInit make_adapter(const PissaConfig& config, const LayerSite& site);
// Decomposes only when the initial factors are to be recomputed and values will come.
AdapterInit make_empty_adapter(const PissaConfig& config, const LayerSite& site);

// QPiSSA. Throws UsageError for other parts of the spectrum than the principal one.
QuantizedStart<LoraConfig> quantized_start(const PissaConfig& config);

// The residual base with A and B as they are. For the untouched base the change has rank 2r, from
// which the start cannot be told: PiSSA keeps a state file.
std::optional<PeftForm> residual_form(const PissaConfig& config,
                                      const std::vector<Linear*>& layers);
std::optional<PeftReading<PissaConfig>> read_peft(PeftKeys& keys, std::type_identity<PissaConfig>);

}  // namespace svtune
