// Several adapters of one model as one: weighted sums, TIES and DARE.
//
// All rules work on the changes ΔW themselves. PEFT combines the factors A and B apart, and so adds
// products of one adapter's A with another's B that neither has. Sources: TIES 2306.01708, section
// 3; DARE 2311.03099, section 3; PEFT's add_weighted_adapter with svd, ties_svd and
// dare_linear_svd.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "adapter_files/loaded_model.h"
#include "base/fields.h"

namespace svtune {

enum class MixRule { kLinear, kTies, kDareLinear, kDareTies };
inline constexpr EnumName<MixRule> kMixRuleNames[] = {
    {MixRule::kLinear, "linear", "the weighted sum, exact"},
    {MixRule::kTies, "ties", "the largest entries of each, where they agree on the sign"},
    {MixRule::kDareLinear, "dare_linear", "random entries of each, grown to keep the mean"},
    {MixRule::kDareTies, "dare_ties", "the same, where they agree on the sign"},
};
constexpr std::span<const EnumName<MixRule>> enum_names(MixRule) { return kMixRuleNames; }

enum class MajoritySign { kTotal, kFrequency };
inline constexpr EnumName<MajoritySign> kMajoritySignNames[] = {
    {MajoritySign::kTotal, "total", "of the sum of the entries"},
    {MajoritySign::kFrequency, "frequency", "that most of them have"},
};
constexpr std::span<const EnumName<MajoritySign>> enum_names(MajoritySign) {
  return kMajoritySignNames;
}

struct MixConfig {
  MixRule rule = MixRule::kLinear;
  double density = 0.5;
  MajoritySign majority_sign = MajoritySign::kTotal;
  std::uint64_t seed = 0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.rule, {.name = "mix", .help = "How several adapters become one"});
    visit(self.density, {.name = "density",
                         .help = "Share of each adapter's entries that is kept",
                         .max = 1,
                         .above = 0,
                         .when = only_with("mix", "ties|dare_linear|dare_ties")});
    visit(self.majority_sign, {.name = "majority_sign",
                               .help = "Which sign an entry of the result has",
                               .when = only_with("mix", "ties|dare_ties")});
    visit(self.seed, {.name = "mix_seed",
                      .help = "Which entries are kept follows from it",
                      .min = 0,
                      .when = only_with("mix", "dare_linear|dare_ties")});
  }
};

// One change [out, in] of several, all of one shape; `seeds` has one of each for DARE.
at::Tensor mix_changes(const std::vector<at::Tensor>& changes, const std::vector<double>& weights,
                       const MixConfig& config, const std::vector<std::uint64_t>& seeds);

// An adapter with its weight in the mix. `loaded` is the base model with it.
struct MixPart {
  std::string name;
  double weight = 1;
  const LoadedModel* loaded = nullptr;  // outlives what is made of it
};

// Puts the mix onto `base`, a model without an adapter: its layers then carry one adapter each,
// which merge_to_directory() and export_lora() take like any other. A linear mix of adapters that
// all have factors keeps them, joined and cut to the smallest rank without loss by QR
// decompositions and a small SVD in fp64. Throws UsageError for adapters that train whole tensors,
// that need a base of their own, or add biases under a rule that has no sum.
LoadedAdapter mix_adapters(Model& base, const std::vector<MixPart>& parts, const MixConfig& config);

}  // namespace svtune
