// adapter_config.json of peft_type ADALORA. Semantics follow PEFT 0.21.
#include <algorithm>
#include <cmath>

#include "adapters/adalora/adalora.h"
#include "adapters/adalora/adalora_adapter.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr char kA[] = "lora_A", kB[] = "lora_B", kE[] = "lora_E";
constexpr char kPattern[] = "rank_pattern", kTotal[] = "total_step";

const AdaloraAdapter& adapter_of(const Linear* layer) {
  return dynamic_cast<const AdaloraAdapter&>(*layer->adapter());
}

std::vector<bool> bits_of(const at::Tensor& pattern) {
  std::vector<bool> bits;
  for (std::int64_t i = 0; i < pattern.size(0); ++i) bits.push_back(pattern[i].item<bool>());
  return bits;
}

// Null while triplets may still leave and return.
Json pattern_json(const std::vector<Linear*>& layers) {
  Json json = nullptr;
  for (const Linear* layer : layers) {
    const at::Tensor pattern = adapter_of(layer).final_pattern();
    if (pattern.defined()) json[layer->name() + "." + kE] = bits_of(pattern);
  }
  return json;
}

// PEFT wants a run in which the budget shrinks, also of an adapter that is loaded.
std::int64_t total_steps(const AdaloraConfig& config, const std::vector<Linear*>& layers) {
  const std::int64_t known = layers.empty() ? 0 : adapter_of(layers[0]).state().total_steps();
  return std::max(known, config.full_budget_steps + config.final_budget_steps + 1);
}

PeftForm plain_form(const AdaloraConfig& config, const std::vector<Linear*>& layers) {
  PeftForm form;
  form.type = AdaloraConfig::kPeftType;
  form.keys = {{"beta1", config.importance_decay},
               {"beta2", config.uncertainty_decay},
               {"deltaT", config.budget_interval},
               {"init_r", config.rank},
               {"lora_alpha", config.alpha.value_or(static_cast<double>(config.rank))},
               {"lora_dropout", config.dropout},
               {"orth_reg_weight", config.orthogonal_weight},
               {kPattern, pattern_json(layers)},
               {"target_r", std::min(config.target_rank, config.rank)},
               {"tfinal", config.final_budget_steps},
               {"tinit", config.full_budget_steps},
               {kTotal, total_steps(config, layers)}};
  form.own_biases = "lora_only";
  return form;
}

std::vector<NamedTensor> stored_tensors(Adapter& adapter) {
  const AdaloraLeaves leaves = dynamic_cast<const AdaloraAdapter&>(adapter).stored_leaves();
  return {{kA, leaves.A}, {kB, leaves.B}, {kE, leaves.E}};
}

// The change as triplets of weight one beside a scaling of one.
std::vector<NamedTensor> paired_tensors(Adapter& adapter) {
  const LowRankDelta delta = *adapter.low_rank_delta();
  const std::int64_t rank = delta.down.size(0);
  const double whole = 1 + 1e-5 / static_cast<double>(rank);
  return {{kA, delta.down},
          {kB, delta.up},
          {kE, at::full({rank, 1}, delta.scale * whole, delta.down.options())}};
}

std::int64_t steps_or(PeftKeys& keys, const std::string& key, std::int64_t fallback) {
  const Json* value = keys.find(key);
  if (value == nullptr) return fallback;
  if (value->is_number_integer() && value->get<std::int64_t>() >= 0) {
    return value->get<std::int64_t>();
  }
  keys.wrong(key, "a number of steps");
  return fallback;
}

void read_pattern(PeftKeys& keys, AdaloraConfig& config) {
  const Json* json = keys.find(kPattern);
  if (json == nullptr) return;
  const auto is_bool = [](const Json& each) { return each.is_boolean(); };
  if (!json->is_object()) return keys.wrong(kPattern, "an object");
  for (const auto& item : json->items()) {
    const std::string& name = item.key();
    const Json& bits = item.value();
    if (!name.ends_with(std::string(".") + kE) || !bits.is_array() ||
        !std::all_of(bits.begin(), bits.end(), is_bool)) {
      return keys.wrong(std::string(kPattern) + "." + name,
                        "a list of true and false for a layer's lora_E");
    }
    if (static_cast<std::int64_t>(bits.size()) != config.rank) {
      return keys.wrong(std::string(kPattern) + "." + name, "as many values as init_r");
    }
    config.kept[name.substr(0, name.size() - sizeof(kE))] = bits.get<std::vector<bool>>();
  }
}

AdaloraConfig adalora_of_keys(PeftKeys& keys) {
  AdaloraConfig config;
  config.rank = keys.integer_or("init_r", 12);
  config.target_rank = keys.integer_or("target_r", 8);
  config.alpha = keys.number_or("lora_alpha", 8);
  config.dropout = keys.number_or("lora_dropout", 0);
  config.full_budget_steps = steps_or(keys, "tinit", 0);
  config.final_budget_steps = steps_or(keys, "tfinal", 0);
  config.budget_interval = keys.integer_or("deltaT", 1);
  config.importance_decay = keys.number_or("beta1", 0.85);
  config.uncertainty_decay = keys.number_or("beta2", 0.85);
  config.orthogonal_weight = keys.number_or("orth_reg_weight", 0.5);
  config.total_steps = steps_or(keys, kTotal, 0);
  if (!(*config.alpha > 0 && std::isfinite(*config.alpha))) keys.wrong("lora_alpha", "positive");
  if (!(config.dropout >= 0 && config.dropout < 1)) {
    keys.wrong("lora_dropout", "at least 0 and below 1");
  }
  read_pattern(keys, config);
  keys.refuse({"use_dora", "target_parameters", "layer_replication", "alora_invocation_tokens",
               "use_qalora", "use_bdlora", "megatron_config", "arrow_config", "kasa_config",
               "monteclora_config", "trainable_token_indices"});
  // PEFT's AdaLoRA has LoRA's keys too and does not look at these.
  keys.ignore({"r", "use_rslora", "alpha_pattern", "lora_bias", "init_lora_weights", "loftq_config",
               "megatron_core", "qalora_group_size", "eva_config", "corda_config", "lora_ga_config",
               "velora_config"});
  return config;
}

}  // namespace

std::optional<PeftForm> peft_form(const AdaloraConfig& config, const std::vector<Linear*>& layers) {
  if (config.prunes()) {
    PeftForm form = plain_form(config, layers);
    form.tensors = stored_tensors;
    return form;
  }
  AdaloraConfig paired = config;
  paired.rank = 2 * config.rank;
  paired.alpha = static_cast<double>(paired.rank);
  PeftForm form = plain_form(paired, layers);
  form.complete = false;
  form.tensors = paired_tensors;
  return form;
}

std::optional<PeftForm> residual_form(const AdaloraConfig& config,
                                      const std::vector<Linear*>& layers) {
  if (config.prunes()) return std::nullopt;
  PeftForm form = plain_form(config, layers);
  form.tensors = stored_tensors;
  return form;
}

std::optional<PeftReading<AdaloraConfig>> read_peft(PeftKeys& keys,
                                                    std::type_identity<AdaloraConfig>) {
  if (keys.type() != AdaloraConfig::kPeftType) return std::nullopt;
  const AdaloraConfig config = adalora_of_keys(keys);
  PeftReading<AdaloraConfig> reading;
  reading.config = [config](const std::vector<std::string>&) { return config; };
  reading.own_biases = "lora_only";
  return reading;
}

}  // namespace svtune
