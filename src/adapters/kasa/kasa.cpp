#include "adapters/kasa/kasa.h"

#include <algorithm>

#include "adapters/decomposed_weight.h"
#include "adapters/kasa/kasa_adapter.h"
#include "adapters/layer_svd.h"
#include "adapters/low_rank/peft_lora.h"
#include "base/errors.h"
#include "base/hash.h"
#include "base/random.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr char kRepeatedStart[] =
    "kasa_config: the last singular triplets of the given base are taken out again, as PEFT does";

AdapterInit finish(const KasaConfig& config, const LayerSite& site, const LowRankShape& shape,
                   const KasaLeaves& leaves, const at::Tensor& L, const at::Tensor& R) {
  std::dynamic_pointer_cast<KasaState>(site.state)->join(site.name, leaves);
  AdapterInit init;
  init.adapter = std::make_unique<KasaAdapter>(leaves, L, R,
                                               LowRankOptions{.scaling = shape.scaling,
                                                              .dropout = config.low_rank.dropout,
                                                              .compute_dtype = site.base.dtype()});
  init.report["rank"] = shape.rank;
  return init;
}

// [r] standard normal.
at::Tensor random_diagonal(const LayerSite& site, std::int64_t rank) {
  Xoshiro256 random(derive_seed(site.seed, "diagonal", site.name));
  std::vector<float> values(static_cast<std::size_t>(rank));
  for (float& value : values) value = static_cast<float>(random.normal());
  return at::tensor(values, at::TensorOptions().dtype(at::kFloat)).to(factor_options(site.base));
}

TruncatedSvd last_triplets(const LayerSite& site, std::int64_t rank) {
  TruncatedSvdOptions options;
  options.part = SpectrumPart::kMinor;
  return layer_svd(site, site.cache, decomposed_weight(site.base), rank, options);
}

}  // namespace

MethodTraits traits(const KasaConfig&) { return {.needs_dense_base = true, .moves_start = true}; }

void check_layer(const KasaConfig& config, const LayerSite& site) {
  if (site.base.quantized()) {
    throw ModelError(site.name +
                         ": KaSA takes the last triplets from the full weights, these are "
                         "quantised already",
                     "Give the original model.");
  }
  const std::int64_t rank = low_rank_shape(config.low_rank, site).rank;
  const std::int64_t n = std::min(site.base.in_features(), site.base.out_features());
  if (rank < n) return;
  throw ModelError(site.name + ": without " + std::to_string(rank) + " of its " +
                       std::to_string(n) + " singular triplets nothing is left of the weight",
                   "Lower --rank, or give this layer its own with --rank-pattern.");
}

std::unique_ptr<MethodState> make_state(const KasaConfig& config,
                                        std::span<const LayerSite> sites) {
  return std::make_unique<KasaState>(config.singular_weight, config.orthogonal_weight, sites);
}

AdapterInit make_adapter(const KasaConfig& config, const LayerSite& site) {
  check_layer(config, site);
  const LowRankShape shape = low_rank_shape(config.low_rank, site);
  const at::TensorOptions options = factor_options(site.base);
  const TruncatedSvd svd = last_triplets(site, shape.rank);
  const KasaLeaves leaves{uniform_factor(site, shape.rank), random_diagonal(site, shape.rank),
                          at::zeros({site.base.out_features(), shape.rank}, options)};
  AdapterInit init = finish(config, site, shape, leaves, (svd.U * svd.S).to(options).contiguous(),
                            svd.V.t().to(options).contiguous());
  report_svd(svd.certificate, init.report);
  init.report["dropped_energy"] = svd.certificate.captured_energy;
  return init;
}

AdapterInit make_empty_adapter(const KasaConfig& config, const LayerSite& site) {
  const LowRankShape shape = stored_low_rank_shape(config.low_rank, site);
  const at::TensorOptions options = factor_options(site.base);
  const std::int64_t in = site.base.in_features(), out = site.base.out_features();
  const auto zeros = [&](std::int64_t rows, std::int64_t columns) {
    return at::zeros({rows, columns}, options);
  };
  return finish(config, site, shape,
                {zeros(shape.rank, in), at::zeros({shape.rank}, options), zeros(out, shape.rank)},
                zeros(out, shape.rank), zeros(shape.rank, in));
}

QuantizedStart<KasaConfig> quantized_start(const KasaConfig&) {
  throw UsageError("KaSA takes the last triplets from the full weights",
                   "Leave out --base-dtype, or choose another method.");
}

std::optional<PeftForm> peft_form(const KasaConfig& config, const std::vector<Linear*>& layers) {
  PeftForm form = peft_lora_form(peft_lora_keys(config.low_rank, names_of(layers)));
  form.keys["kasa_config"] = {{"beta", config.singular_weight},
                              {"gamma", config.orthogonal_weight}};
  form.complete = false;
  form.adapts_parameters = false;
  return form;
}

std::optional<PeftReading<KasaConfig>> read_peft(PeftKeys& keys, std::type_identity<KasaConfig>) {
  const PeftLoraKind kind = peft_lora_kind(keys);
  if (!kind.lora || !kind.kasa) return std::nullopt;
  const PeftLoraKeys lora = read_peft_lora(keys);
  if (lora.dora || lora.branch_bias || kind.pissa || lora.init == PeftLoraInit::kOlora) {
    keys.problem(
        "kasa_config goes with plain factors only, without use_dora, lora_bias or an "
        "init_lora_weights that changes the base");
  }
  const Json& own = *keys.find("kasa_config");
  const auto weight = [&](const char* key, double fallback) {
    const Json value = own.is_object() ? own.value(key, Json(fallback)) : Json();
    if (value.is_number() && value.get<double>() >= 0) return value.get<double>();
    keys.wrong(std::string("kasa_config.") + key, "a number of at least 0");
    return fallback;
  };
  const double beta = weight("beta", 1e-4), gamma = weight("gamma", 1e-3);
  auto reading = peft_lora_reading<KasaConfig>(lora);
  reading.embedding = {};
  reading.config = [lora, beta, gamma](const std::vector<std::string>& modules) {
    return KasaConfig{low_rank_config(lora, modules), beta, gamma};
  };
  reading.repeated_start = kRepeatedStart;
  return reading;
}

}  // namespace svtune
