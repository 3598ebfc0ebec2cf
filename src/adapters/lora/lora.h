// LoRA: W + (alpha / r)·B·A with W frozen; rsLoRA uses alpha / √r.
// Sources: LoRA 2106.09685; rsLoRA 2312.03732; LoRA+ 2402.12354; OLoRA 2406.01775. Initialisations
// and per-layer patterns follow PEFT's configuration, so that files mean the same in both.
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

enum class LoraInit { kKaiming, kGaussian, kOrthogonal, kOlora, kLoftq };
inline constexpr EnumName<LoraInit> kLoraInitNames[] = {
    {LoraInit::kKaiming, "kaiming", "A uniform in ±1/sqrt(in), B zero"},
    {LoraInit::kGaussian, "gaussian", "A normal with deviation 1/rank, B zero"},
    {LoraInit::kOrthogonal, "orthogonal", "A and B random and large, with B A = 0; even ranks"},
    {LoraInit::kOlora, "olora", "A and B from a QR decomposition of W; the rest of W stays"},
    {LoraInit::kLoftq, "loftq", "A and B repair the rounding of a quantised base"},
};
constexpr std::span<const EnumName<LoraInit>> enum_names(LoraInit) { return kLoraInitNames; }

struct LoraConfig {
  static constexpr std::string_view kName = "lora";
  static constexpr std::string_view kSummary = "low-rank update, random A and zero B";
  static constexpr std::string_view kPeftType = kPeftLora;
  LowRankConfig low_rank;
  LoraInit init = LoraInit::kKaiming;
  double b_rate_ratio = 1.0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit.group("", self.low_rank);
    visit(self.init, {.name = "init", .help = "How A and B start"});
    visit(self.b_rate_ratio, {.name = "b_rate_ratio",
                              .help = "B learns at this many times the learning rate (LoRA+)",
                              .above = 0});
  }
  bool operator==(const LoraConfig&) const = default;
};

AdapterInit make_adapter(const LoraConfig& config, const LayerSite& site);
AdapterInit make_empty_adapter(const LoraConfig& config, const LayerSite& site);
void check_layer(const LoraConfig& config, const LayerSite& site);

QuantizedStart<LoraConfig> quantized_start(const LoraConfig& config);
// Throws UsageError for LoftQ, which repairs a rounding that such a base has not.
void check_dense_start(const LoraConfig& config);

// None from OLoRA's start: for the untouched base the change has rank 2r, as PiSSA's. From the
// orthogonal one a state file lies beside it.
std::optional<PeftForm> peft_form(const LoraConfig& config, const std::vector<Linear*>& layers);
std::optional<PeftForm> residual_form(const LoraConfig& config, const std::vector<Linear*>& layers);
std::optional<PeftReading<LoraConfig>> read_peft(PeftKeys& keys, std::type_identity<LoraConfig>);

}  // namespace svtune
