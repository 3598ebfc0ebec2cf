// DoRA: the rows of W + s·BA give directions, and their lengths train apart:
// W' = diag(m / ‖W + s·BA‖) (W + s·BA), norms over each row, m from ‖W‖.
// Source: DoRA 2402.09353 section 4; the norm is a constant in backward (section 4.3). Files and
// dropout follow PEFT. With PiSSA's start s·(BA − B₀A₀) stands for s·BA (PiSSA 2404.02948).
#pragma once

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

enum class DoraInit { kKaiming, kGaussian, kPissa };
inline constexpr EnumName<DoraInit> kDoraInitNames[] = {
    {DoraInit::kKaiming, "kaiming", "A uniform in ±1/sqrt(in), B zero"},
    {DoraInit::kGaussian, "gaussian", "A normal with deviation 1/rank, B zero"},
    {DoraInit::kPissa, "pissa", "A and B from the principal singular triplets"},
};
constexpr std::span<const EnumName<DoraInit>> enum_names(DoraInit) { return kDoraInitNames; }

struct DoraConfig {
  static constexpr std::string_view kName = "dora";
  static constexpr std::string_view kSummary = "low-rank update of directions, lengths apart";
  static constexpr std::string_view kPeftType = kPeftLora;
  LowRankConfig low_rank;
  DoraInit init = DoraInit::kKaiming;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit.group("", self.low_rank);
    visit(self.init, {.name = "init", .help = "How A and B start"});
  }
  bool operator==(const DoraConfig&) const = default;
};

MethodTraits traits(const DoraConfig& config);
void check_layer(const DoraConfig& config, const LayerSite& site);
AdapterInit make_adapter(const DoraConfig& config, const LayerSite& site);
AdapterInit make_empty_adapter(const DoraConfig& config, const LayerSite& site);

// As LoRA's and PiSSA's; lengths start as those of the sum of both parts.
QuantizedStart<DoraConfig> quantized_start(const DoraConfig& config);

// With PiSSA's start a LoRA of rank 2r stands in PEFT's file, and a state file beside it.
std::optional<PeftForm> peft_form(const DoraConfig& config, const std::vector<Linear*>& layers);
std::optional<PeftForm> residual_form(const DoraConfig& config, const std::vector<Linear*>& layers);
std::optional<PeftReading<DoraConfig>> read_peft(PeftKeys& keys, std::type_identity<DoraConfig>);

}  // namespace svtune
