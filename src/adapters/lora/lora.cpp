#include "adapters/lora/lora.h"

#include <algorithm>
#include <cmath>

#include "adapters/low_rank/low_rank_adapter.h"
#include "adapters/low_rank/peft_lora.h"
#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

AdapterInit finish(const LowRankShape& shape, const LoraConfig& config, const LayerSite& site,
                   const at::Tensor& A, const at::Tensor& B) {
  AdapterInit init;
  init.adapter = std::make_unique<LowRankAdapter>(
      A, B, LowRankOptions{shape.scaling, config.low_rank.dropout, site.base.dtype()});
  init.report["rank"] = shape.rank;
  return init;
}

at::Tensor zero_B(const LowRankShape& shape, const LayerSite& site) {
  return at::zeros({site.base.out_features(), shape.rank}, factor_options(site.base));
}

bool has_branch_bias(const std::vector<Linear*>& layers) {
  return std::ranges::any_of(layers, [](const Linear* layer) {
    const auto* adapter = dynamic_cast<const LowRankAdapter*>(layer->adapter());
    return adapter != nullptr && adapter->has_branch_bias();
  });
}

void add_branch_bias(Linear& layer) {
  auto& adapter = dynamic_cast<LowRankAdapter&>(*layer.adapter());
  adapter.set_branch_bias(at::zeros({layer.out_features()}, adapter.B().options()));
}

}  // namespace

void check_layer(const LoraConfig& config, const LayerSite& site) {
  low_rank_shape(config.low_rank, site);
}

AdapterInit make_adapter(const LoraConfig& config, const LayerSite& site) {
  const LowRankShape shape = low_rank_shape(config.low_rank, site);
  if (site.start != nullptr) {
    // s·BA is the given product for every scaling.
    const double root = std::sqrt(shape.scaling / site.start->scale);
    const auto options = factor_options(site.base);
    return finish(shape, config, site, (site.start->down / root).to(options),
                  (site.start->up / root).to(options));
  }
  if (config.init == LoraInit::kLoftq) {
    throw ModelError(site.name + ": LoftQ starts where a base is quantised, not on a given one",
                     "Quantise the model with the method loftq first.");
  }
  const at::Tensor A = config.init == LoraInit::kKaiming ? uniform_factor(site, shape.rank)
                                                         : normal_factor(site, shape.rank);
  return finish(shape, config, site, A, zero_B(shape, site));
}

AdapterInit make_empty_adapter(const LoraConfig& config, const LayerSite& site) {
  const LowRankShape shape = stored_low_rank_shape(config.low_rank, site);
  const at::Tensor A = at::zeros({shape.rank, site.base.in_features()}, factor_options(site.base));
  return finish(shape, config, site, A, zero_B(shape, site));
}

QuantizedStart<LoraConfig> quantized_start(const LoraConfig& config) {
  if (config.init != LoraInit::kLoftq) return {};
  return {LowRankQuantMethod::kLoftq, config.low_rank,
          [](const LowRankConfig& low_rank) { return LoraConfig{low_rank, LoraInit::kKaiming}; }};
}

void check_dense_start(const LoraConfig& config) {
  if (config.init != LoraInit::kLoftq) return;
  throw UsageError("--init loftq repairs what quantisation takes away and needs --base-dtype",
                   "Add --base-dtype nf4, or choose another --init.");
}

std::optional<PeftForm> peft_form(const LoraConfig& config, const std::vector<Linear*>& layers) {
  PeftLoraKeys keys = peft_lora_keys(config.low_rank, names_of(layers));
  if (config.init == LoraInit::kGaussian) keys.init = PeftLoraInit::kGaussian;
  keys.branch_bias = has_branch_bias(layers);
  if (keys.branch_bias) keys.init = PeftLoraInit::kUniform;
  return peft_lora_form(keys);
}

std::optional<PeftReading<LoraConfig>> read_peft(PeftKeys& keys, std::type_identity<LoraConfig>) {
  const PeftLoraKind kind = peft_lora_kind(keys);
  if (!kind.lora || kind.dora || kind.pissa) return std::nullopt;
  const PeftLoraKeys lora = read_peft_lora(keys);
  auto reading = peft_lora_reading<LoraConfig>(lora);
  reading.config = [lora](const std::vector<std::string>& modules) {
    const bool gaussian = lora.init == PeftLoraInit::kGaussian;
    return LoraConfig{low_rank_config(lora, modules),
                      gaussian ? LoraInit::kGaussian : LoraInit::kKaiming};
  };
  if (lora.branch_bias) reading.add_parts = add_branch_bias;
  return reading;
}

}  // namespace svtune
