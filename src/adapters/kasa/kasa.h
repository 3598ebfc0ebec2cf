// KaSA: W without its r last singular triplets, and s·B diag(d) A beside it, with penalties on d
// and on rows of A and columns of B that are not orthonormal. Source: KaSA 2412.06071 sections 3.2
// to 3.4, equations 9 to 11; start, defaults and files are PEFT's.
//
// The weight itself stays untouched: what W loses is a frozen low-rank part of the adapter.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "adapters/low_rank/low_rank_config.h"
#include "adapters/method.h"
#include "adapters/peft_form.h"
#include "adapters/quantized_start.h"
#include "base/fields.h"

namespace svtune {

struct KasaConfig {
  static constexpr std::string_view kName = "kasa";
  static constexpr std::string_view kSummary = "triplets beside W without its least ones";
  static constexpr std::string_view kPeftType = kPeftLora;
  static constexpr bool kDecomposes = true;
  LowRankConfig low_rank;
  double singular_weight = 1e-4;
  double orthogonal_weight = 1e-3;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit.group("", self.low_rank);
    visit(self.singular_weight, {.name = "singular_weight",
                                 .help = "Weight of the penalty on d, the paper's beta",
                                 .min = 0});
    visit(self.orthogonal_weight,
          {.name = "orthogonal_weight",
           .help = "Weight of the penalty on rows of A and columns of B that are not orthonormal, "
                   "the paper's gamma",
           .min = 0});
  }
  bool operator==(const KasaConfig&) const = default;
};

MethodTraits traits(const KasaConfig& config);
// Throws ModelError naming the layer for a rank that leaves nothing of W, and for a quantised base.
void check_layer(const KasaConfig& config, const LayerSite& site);
std::unique_ptr<MethodState> make_state(const KasaConfig& config, std::span<const LayerSite> sites);
AdapterInit make_adapter(const KasaConfig& config, const LayerSite& site);
AdapterInit make_empty_adapter(const KasaConfig& config, const LayerSite& site);

// Throws UsageError: what quantisation takes away drowns the last triplets.
QuantizedStart<KasaConfig> quantized_start(const KasaConfig& config);

// What W loses lies in a state file beside PEFT's, which does not hold it: PEFT decomposes again.
std::optional<PeftForm> peft_form(const KasaConfig& config, const std::vector<Linear*>& layers);
std::optional<PeftReading<KasaConfig>> read_peft(PeftKeys& keys, std::type_identity<KasaConfig>);

}  // namespace svtune
