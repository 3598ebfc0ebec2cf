#include "adapters/vera/vera.h"

#include <algorithm>
#include <string>

#include "adapters/vera/vera_adapter.h"
#include "adapters/vera/vera_projection.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr char kKey[] = "projection_prng_key";

VeraConfig vera_of_keys(PeftKeys& keys) {
  VeraConfig config;
  config.rank = keys.integer_or("r", config.rank);
  config.d_initial = keys.number_or("d_initial", config.d_initial);
  config.dropout = keys.number_or("vera_dropout", 0);
  config.save_projection = keys.boolean_or("save_projection", true);
  if (!(config.dropout >= 0 && config.dropout < 1)) {
    keys.wrong("vera_dropout", "at least 0 and below 1");
  }
  if (const Json* key = keys.find(kKey)) {
    if (key->is_number_integer()) {
      config.projection_prng_key = key->get<std::int64_t>();
    } else {
      keys.wrong(kKey, "an integer");
    }
  }
  keys.ignore({"init_weights"});  // how the vectors started
  // The shared matrices are made before any tensor of the file is read.
  const auto trained = keys.stored_shape("vera_lambda_d");
  if (trained && trained->size() == 1 && trained->front() != config.rank) {
    keys.wrong("r", std::to_string(trained->front()) + ", the length of vera_lambda_d in the file");
  }
  return config;
}

}  // namespace

std::unique_ptr<MethodState> make_state(const VeraConfig& config,
                                        std::span<const LayerSite> sites) {
  if (sites.empty()) return nullptr;
  std::int64_t out = 0, in = 0;
  for (const LayerSite& site : sites) {
    out = std::max(out, site.base.out_features());
    in = std::max(in, site.base.in_features());
  }
  const BaseWeight& base = sites.front().base;
  return std::make_unique<VeraProjection>(
      config.rank, out, in, config.projection_prng_key,
      at::TensorOptions().dtype(base.dtype()).device(base.device()));
}

AdapterInit make_adapter(const VeraConfig& config, const LayerSite& site) {
  AdapterInit init;
  init.adapter =
      std::make_unique<VeraAdapter>(std::dynamic_pointer_cast<const VeraProjection>(site.state),
                                    site.base, config.d_initial, config.dropout);
  init.report["rank"] = config.rank;
  return init;
}

AdapterInit make_empty_adapter(const VeraConfig& config, const LayerSite& site) {
  return make_adapter(config, site);
}

std::optional<PeftForm> peft_form(const VeraConfig& config, const std::vector<Linear*>&) {
  PeftForm form;
  form.type = VeraConfig::kPeftType;
  form.keys = {{"d_initial", config.d_initial},
               {kKey, config.projection_prng_key},
               {"r", config.rank},
               {"save_projection", config.save_projection},
               {"vera_dropout", config.dropout}};
  form.own_biases = "vera_only";
  form.stores_shared = config.save_projection;
  return form;
}

std::optional<PeftReading<VeraConfig>> read_peft(PeftKeys& keys, std::type_identity<VeraConfig>) {
  if (keys.type() != VeraConfig::kPeftType) return std::nullopt;
  const VeraConfig config = vera_of_keys(keys);
  PeftReading<VeraConfig> reading;
  reading.config = [config](const std::vector<std::string>&) { return config; };
  reading.own_biases = "vera_only";
  reading.stores_shared = config.save_projection;
  return reading;
}

}  // namespace svtune
