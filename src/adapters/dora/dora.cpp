#include "adapters/dora/dora.h"

#include <utility>

#include "adapters/dora/dora_adapter.h"
#include "adapters/lora/lora.h"
#include "adapters/low_rank/peft_lora.h"
#include "adapters/pissa/pissa.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

// The method that makes the low-rank part.
LoraConfig lora_of(const DoraConfig& config) {
  const bool gaussian = config.init == DoraInit::kGaussian;
  return {config.low_rank, gaussian ? LoraInit::kGaussian : LoraInit::kKaiming};
}

PissaConfig pissa_of(const DoraConfig& config) { return {.low_rank = config.low_rank}; }

template <class Use>
auto with_update(const DoraConfig& config, const Use& use) {
  return config.init == DoraInit::kPissa ? use(pissa_of(config)) : use(lora_of(config));
}

AdapterInit finish(AdapterInit init, const LayerSite& site, bool initialise) {
  std::unique_ptr<LowRankAdapter> update(dynamic_cast<LowRankAdapter*>(init.adapter.release()));
  init.adapter = std::make_unique<DoraAdapter>(std::move(update), site.base, initialise);
  return init;
}

PeftLoraKeys keys_of(const LowRankConfig& low_rank, const std::vector<Linear*>& layers) {
  PeftLoraKeys keys = peft_lora_keys(low_rank, names_of(layers));
  keys.dora = true;
  return keys;
}

// A − A₀ and B − B₀ beside A and B₀, the scaling in B: rank 2r and alpha 2r, layer by layer.
LowRankConfig paired(const LowRankConfig& low_rank) {
  LowRankConfig out;
  out.rank = 2 * low_rank.rank;
  for (const auto& [pattern, rank] : low_rank.rank_pattern) out.rank_pattern[pattern] = 2 * rank;
  return out;
}

std::vector<NamedTensor> tensors_with_magnitude(Adapter& adapter) {
  const auto& dora = dynamic_cast<const DoraAdapter&>(adapter);
  const LowRankDelta delta = *dora.update().low_rank_delta();
  return {{"lora_A.weight", delta.down},
          {"lora_B.weight", delta.up * delta.scale},
          {"lora_magnitude_vector", dora.magnitude()}};
}

DoraInit dora_init(PeftLoraInit init) {
  if (init == PeftLoraInit::kPissa) return DoraInit::kPissa;
  return init == PeftLoraInit::kGaussian ? DoraInit::kGaussian : DoraInit::kKaiming;
}

}  // namespace

MethodTraits traits(const DoraConfig& config) {
  return {.needs_dense_base = config.init == DoraInit::kPissa, .constant_in_backward = true};
}

void check_layer(const DoraConfig& config, const LayerSite& site) {
  if (config.init == DoraInit::kPissa) return check_layer(pissa_of(config), site);
  check_layer(lora_of(config), site);
}

AdapterInit make_adapter(const DoraConfig& config, const LayerSite& site) {
  return finish(with_update(config, [&](const auto& update) { return make_adapter(update, site); }),
                site, true);
}

AdapterInit make_empty_adapter(const DoraConfig& config, const LayerSite& site) {
  return finish(
      with_update(config, [&](const auto& update) { return make_empty_adapter(update, site); }),
      site, false);
}

QuantizedStart<DoraConfig> quantized_start(const DoraConfig& config) {
  if (config.init != DoraInit::kPissa) return {};
  const auto start = quantized_start(pissa_of(config));
  return {start.kind, start.low_rank,
          [](const LowRankConfig& low_rank) { return DoraConfig{low_rank, DoraInit::kKaiming}; }};
}

std::optional<PeftForm> peft_form(const DoraConfig& config, const std::vector<Linear*>& layers) {
  const bool pissa = config.init == DoraInit::kPissa;
  PeftLoraKeys keys = keys_of(pissa ? paired(config.low_rank) : config.low_rank, layers);
  if (config.init == DoraInit::kGaussian) keys.init = PeftLoraInit::kGaussian;
  PeftForm form = peft_lora_form(keys);
  if (!pissa) return form;
  form.complete = false;
  form.tensors = tensors_with_magnitude;
  return form;
}

std::optional<PeftForm> residual_form(const DoraConfig& config,
                                      const std::vector<Linear*>& layers) {
  if (config.init != DoraInit::kPissa) return std::nullopt;
  return peft_lora_form(keys_of(config.low_rank, layers));
}

std::optional<PeftReading<DoraConfig>> read_peft(PeftKeys& keys, std::type_identity<DoraConfig>) {
  const PeftLoraKind kind = peft_lora_kind(keys);
  if (!kind.lora || !kind.dora || kind.kasa) return std::nullopt;
  const PeftLoraKeys lora = read_peft_lora(keys);
  if (lora.init == PeftLoraInit::kOlora) {
    keys.problem(
        "init_lora_weights \"olora\" with use_dora is not read; convert the adapter to "
        "a plain LoRA first");
  }
  auto reading = peft_lora_reading<DoraConfig>(lora);
  reading.config = [lora](const std::vector<std::string>& modules) {
    return DoraConfig{low_rank_config(lora, modules), dora_init(lora.init)};
  };
  if (kind.pissa) reading.repeated_start = kPeftPissaStart;
  return reading;
}

}  // namespace svtune
