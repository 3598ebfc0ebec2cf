#include "adapters/delta_lora/delta_lora.h"

#include "adapters/delta_lora/delta_lora_adapter.h"
#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

AdapterInit finish(const DeltaLoraConfig& config, const LayerSite& site, const LowRankShape& shape,
                   const at::Tensor& A, bool initialise) {
  const at::Tensor B = at::zeros({site.base.out_features(), shape.rank}, factor_options(site.base));
  AdapterInit init;
  init.adapter = std::make_unique<DeltaLoraAdapter>(
      DeltaLoraFactors{A, B}, shape.scaling, config.weight_ratio, site.base.dtype(),
      std::dynamic_pointer_cast<DeltaLoraState>(site.state), site.name, initialise);
  init.report["rank"] = shape.rank;
  return init;
}

}  // namespace

MethodTraits traits(const DeltaLoraConfig&) { return {.constant_in_backward = true}; }

void check_layer(const DeltaLoraConfig& config, const LayerSite& site) {
  low_rank_shape(config.low_rank, site);
  if (config.low_rank.dropout == 0) return;
  throw UsageError("Delta-LoRA has no dropout: the weight would take what it had left out",
                   "Leave out --dropout.");
}

std::unique_ptr<MethodState> make_state(const DeltaLoraConfig& config,
                                        std::span<const LayerSite> sites) {
  return std::make_unique<DeltaLoraState>(config.low_rank, config.weight_start, sites);
}

AdapterInit make_adapter(const DeltaLoraConfig& config, const LayerSite& site) {
  const LowRankShape shape = low_rank_shape(config.low_rank, site);
  return finish(config, site, shape, uniform_factor(site, shape.rank), true);
}

AdapterInit make_empty_adapter(const DeltaLoraConfig& config, const LayerSite& site) {
  const LowRankShape shape = stored_low_rank_shape(config.low_rank, site);
  const at::Tensor A = at::zeros({shape.rank, site.base.in_features()}, factor_options(site.base));
  return finish(config, site, shape, A, false);
}

}  // namespace svtune
