#include "adapters/low_rank/peft_lora.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "adapters/module_match.h"
#include "base/text_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr char kInit[] = "init_lora_weights";
constexpr char kLoraGa[] = "lora_ga";
constexpr char kPissa[] = "pissa";

// Of starts whose change of the base the files do not determine: why, and what to do. Empty for
// others.
std::string undetermined(const std::string& init) {
  constexpr char kConvert[] =
      "; save it in PEFT with path_initial_model_for_weight_conversion, which makes a plain LoRA "
      "of it, or save the base that it was trained on and set init_lora_weights to true";
  if (init.starts_with("corda")) {
    return std::string("takes a part out of the base that was found on data, which no file holds") +
           kConvert;
  }
  if (init.starts_with("pissa_niter_")) {
    return std::string("takes a part out of the base that PEFT draws anew on every loading") +
           kConvert;
  }
  if (init == "loftq") {
    return "is for the base that PEFT quantised with it, which no file holds; save that base as a "
           "model and set init_lora_weights to true";
  }
  return "";
}

// Starts after which the factors are those of any LoRA.
bool leaves_a_lora(const std::string& init) {
  return init == "eva" || init == "orthogonal" || to_lower_ascii(init) == "mica" || init == kLoraGa;
}

// PEFT reads "gaussian", "olora" and "mica" in any case, the others as they are here.
std::optional<PeftLoraInit> named_init(const std::string& name) {
  if (name == kPissa) return PeftLoraInit::kPissa;
  if (to_lower_ascii(name) == "olora") return PeftLoraInit::kOlora;
  if (to_lower_ascii(name) == "gaussian") return PeftLoraInit::kGaussian;
  if (leaves_a_lora(name)) return PeftLoraInit::kUniform;
  return std::nullopt;
}

PeftLoraInit read_init(PeftKeys& keys) {
  const Json* init = keys.find(kInit);
  if (init == nullptr) return PeftLoraInit::kUniform;
  if (init->is_boolean()) return init->get<bool>() ? PeftLoraInit::kUniform : PeftLoraInit::kLinear;
  if (!init->is_string()) {
    keys.wrong(kInit, "true, false or a name");
    return PeftLoraInit::kUniform;
  }
  const auto name = init->get<std::string>();
  if (const std::string why = undetermined(to_lower_ascii(name)); !why.empty()) {
    keys.problem("init_lora_weights \"" + name + "\" " + why);
    return PeftLoraInit::kUniform;
  }
  // PEFT takes B0A0 out of the base once, before training, and not on loading.
  if (name == kLoraGa) {
    keys.warn(
        "init_lora_weights is \"lora_ga\": read as a LoRA on the given base, as PEFT does. It was "
        "trained on a base with a part taken out; unless that base is given, convert the adapter "
        "with path_initial_model_for_weight_conversion first");
  }
  const std::optional<PeftLoraInit> known = named_init(name);
  if (!known) keys.problem("init_lora_weights \"" + name + "\" is no initialisation of PEFT's");
  return known.value_or(PeftLoraInit::kUniform);
}

Json init_json(PeftLoraInit init) {
  switch (init) {
    case PeftLoraInit::kUniform:
      return true;
    case PeftLoraInit::kLinear:
      return false;
    case PeftLoraInit::kGaussian:
      return "gaussian";
    case PeftLoraInit::kPissa:
      return kPissa;
    case PeftLoraInit::kOlora:
      return "olora";
    case PeftLoraInit::kEva:
      return "eva";
  }
  return true;
}

template <class Value>
void read_pattern(PeftKeys& keys, const std::string& key,
                  std::vector<std::pair<std::string, Value>>& into) {
  const Json* map = keys.find(key);
  if (map == nullptr) return;
  if (!map->is_object()) return keys.wrong(key, "an object");
  for (const auto& item : map->items()) {
    const std::string& pattern = item.key();
    const Json& value = item.value();
    const bool fits = std::is_integral_v<Value> ? value.is_number_integer() : value.is_number();
    if (!fits) return keys.wrong(key + "." + pattern, "a number");
    const auto number = value.get<double>();
    if (!(number > 0 && std::isfinite(number))) return keys.wrong(key + "." + pattern, "positive");
    into.emplace_back(pattern, value.get<Value>());
  }
}

void check_ranges(const PeftLoraKeys& config, PeftKeys& keys) {
  if (!(config.dropout >= 0 && config.dropout < 1)) {
    keys.wrong("lora_dropout", "at least 0 and below 1");
  }
  if (!(config.alpha > 0 && std::isfinite(config.alpha))) keys.wrong("lora_alpha", "positive");
  if (!config.branch_bias) return;
  const Json* init = keys.find(kInit);
  if (init != nullptr && !init->is_boolean()) {
    keys.problem("lora_bias needs init_lora_weights true or false");
  }
  if (config.dora) keys.problem("lora_bias does not go with use_dora");
}

LayerRanges read_replication(PeftKeys& keys) {
  constexpr char kKey[] = "layer_replication";
  const Json* list = keys.find(kKey);
  if (list == nullptr) return {};
  std::optional<LayerRanges> ranges = layer_ranges(*list);
  if (!ranges) keys.wrong(kKey, "a list of ranges [first, end]");
  return std::move(ranges).value_or(LayerRanges());
}

std::vector<std::string> read_target_parameters(PeftKeys& keys) {
  constexpr char kKey[] = "target_parameters";
  const Json* list = keys.find(kKey);
  if (list == nullptr) return {};
  const auto is_text = [](const Json& each) { return each.is_string(); };
  if (list->is_array() && std::all_of(list->begin(), list->end(), is_text)) {
    return list->get<std::vector<std::string>>();
  }
  keys.wrong(kKey, "a list of names");
  return {};
}

// What PEFT refuses of an adapter on parameters, and starts that it cannot make there.
void check_beside_parameters(const PeftLoraKeys& config, PeftKeys& keys) {
  if (config.target_parameters.empty()) return;
  const auto refuse = [&](const char* key, bool is_set) {
    if (!is_set) return;
    keys.problem(std::string(key) + " " + dump_json(*keys.find(key)) +
                 " does not go with target_parameters, as in PEFT");
  };
  const auto is_on = [&](const char* key) {
    const Json* value = keys.find(key);
    return value != nullptr && *value != Json(false) && !value->is_null();
  };
  refuse("lora_dropout", config.dropout != 0 && keys.find("lora_dropout") != nullptr);
  for (const char* key :
       {"use_dora", "lora_bias", "fan_in_fan_out", "kasa_config", "velora_config"}) {
    refuse(key, is_on(key));
  }
  refuse(kInit, config.init == PeftLoraInit::kPissa || config.init == PeftLoraInit::kOlora);
}

template <class Value>
Value resolve(const std::vector<std::pair<std::string, Value>>& patterns, const std::string& module,
              Value otherwise) {
  for (const auto& [pattern, value] : patterns) {
    if (matches_pattern_key(pattern, module)) return value;
  }
  return otherwise;
}

template <class Value>
std::map<std::string, Value> sorted_patterns(
    const std::vector<std::pair<std::string, Value>>& patterns, Value otherwise,
    const std::vector<std::string>& modules) {
  std::map<std::string, Value> sorted(patterns.begin(), patterns.end());
  const bool same = std::ranges::all_of(modules, [&](const std::string& module) {
    return match_pattern(sorted, module).value_or(otherwise) ==
           resolve(patterns, module, otherwise);
  });
  if (same) return sorted;
  std::map<std::string, Value> by_name;
  for (const std::string& module : modules) {
    const Value value = resolve(patterns, module, otherwise);
    if (value != otherwise) by_name[module] = value;
  }
  return by_name;
}

// PEFT writes whole alphas as integers.
Json number_json(double value) {
  if (value == std::floor(value) && std::abs(value) < 1e15) return static_cast<std::int64_t>(value);
  return value;
}

}  // namespace

std::int64_t PeftLoraKeys::rank_of(const std::string& module) const {
  return resolve(rank_pattern, module, rank);
}

double PeftLoraKeys::alpha_of(const std::string& module) const {
  return resolve(alpha_pattern, module, alpha);
}

PeftEmbedding PeftLoraKeys::embedding(const std::string& module) const {
  const std::int64_t r = rank_of(module);
  const double root = rslora ? std::sqrt(static_cast<double>(r)) : static_cast<double>(r);
  return {.down = "lora_embedding_A",
          .up = "lora_embedding_B",
          .head_down = "lora_A.weight",
          .head_up = "lora_B.weight",
          .lengths = dora ? "lora_magnitude_vector" : "",
          .rank = r,
          .scaling = alpha_of(module) / root};
}

PeftLoraKind peft_lora_kind(PeftKeys& keys) {
  PeftLoraKind kind{.lora = keys.type() == kPeftLora};
  if (!kind.lora) return kind;
  const Json* dora = keys.find("use_dora");
  kind.dora = dora != nullptr && *dora == Json(true);
  const Json* init = keys.find(kInit);
  kind.pissa = init != nullptr && *init == Json(kPissa);
  const Json* kasa = keys.find("kasa_config");
  kind.kasa = kasa != nullptr && !kasa->is_null();
  return kind;
}

PeftLoraKeys read_peft_lora(PeftKeys& keys) {
  PeftLoraKeys config;
  config.rank = keys.integer_or("r", 8);
  config.alpha = keys.number_or("lora_alpha", 8);
  config.dropout = keys.number_or("lora_dropout", 0);
  config.rslora = keys.boolean_or("use_rslora", false);
  config.branch_bias = keys.boolean_or("lora_bias", false);
  config.dora = keys.boolean_or("use_dora", false);
  config.init = read_init(keys);
  read_pattern(keys, "rank_pattern", config.rank_pattern);
  read_pattern(keys, "alpha_pattern", config.alpha_pattern);
  if (const Json* tokens = keys.find("trainable_token_indices")) config.trainable_tokens = *tokens;
  config.layer_replication = read_replication(keys);
  config.target_parameters = read_target_parameters(keys);
  check_ranges(config, keys);
  check_beside_parameters(config, keys);
  keys.refuse({"alora_invocation_tokens", "use_qalora", "use_bdlora", "megatron_config",
               "arrow_config", "monteclora_config"});
  keys.ignore({"loftq_config", "megatron_core", "qalora_group_size", "eva_config", "corda_config",
               "lora_ga_config", "velora_config"});
  return config;
}

Json peft_lora_json(const PeftLoraKeys& keys) {
  Json json = Json::object();
  json["alpha_pattern"] = Json::object();
  for (const auto& [pattern, value] : keys.alpha_pattern) {
    json["alpha_pattern"][pattern] = number_json(value);
  }
  json["exclude_modules"] = nullptr;
  json[kInit] = init_json(keys.init);
  json["lora_alpha"] = number_json(keys.alpha);
  json["lora_bias"] = keys.branch_bias;
  json["lora_dropout"] = keys.dropout;
  json["r"] = keys.rank;
  json["rank_pattern"] = Json::object();
  for (const auto& [pattern, value] : keys.rank_pattern) json["rank_pattern"][pattern] = value;
  json["trainable_token_indices"] = keys.trainable_tokens;
  json["use_dora"] = keys.dora;
  json["use_rslora"] = keys.rslora;
  return json;
}

LowRankConfig low_rank_config(const PeftLoraKeys& keys, const std::vector<std::string>& modules) {
  LowRankConfig out;
  out.rank = keys.rank;
  out.alpha = keys.alpha;
  out.rslora = keys.rslora;
  out.dropout = keys.dropout;
  out.rank_pattern = sorted_patterns(keys.rank_pattern, keys.rank, modules);
  out.alpha_pattern = sorted_patterns(keys.alpha_pattern, keys.alpha, modules);
  return out;
}

PeftLoraKeys peft_lora_keys(const LowRankConfig& config, const std::vector<std::string>& modules) {
  PeftLoraKeys out;
  out.rank = config.rank;
  out.alpha = config.alpha.value_or(static_cast<double>(config.rank));
  out.dropout = config.dropout;
  out.rslora = config.rslora;
  out.rank_pattern.assign(config.rank_pattern.begin(), config.rank_pattern.end());
  out.alpha_pattern.assign(config.alpha_pattern.begin(), config.alpha_pattern.end());
  if (config.alpha || config.rank_pattern.empty()) return out;
  // Without an alpha of its own each layer takes its rank, which PEFT has to be told by name.
  std::vector<std::pair<std::string, double>> by_name;
  for (const std::string& module : modules) {
    const double alpha = match_pattern(config.alpha_pattern, module)
                             .value_or(static_cast<double>(out.rank_of(module)));
    if (alpha != out.alpha) by_name.emplace_back(module, alpha);
  }
  out.alpha_pattern = std::move(by_name);
  return out;
}

PeftForm peft_lora_form(const PeftLoraKeys& keys) {
  PeftForm form;
  form.type = kPeftLora;
  form.keys = peft_lora_json(keys);
  form.own_biases = "lora_only";
  form.ties_words = true;
  form.adapts_parameters = !keys.dora && !keys.branch_bias && keys.init != PeftLoraInit::kPissa &&
                           keys.init != PeftLoraInit::kOlora;
  return form;
}

PlainLowRankForm plain_low_rank_form(std::int64_t rank) {
  LowRankConfig plain;
  plain.rank = rank;
  return {peft_lora_form(peft_lora_keys(plain, {})), kPeftFactorA, kPeftFactorB, "lora_B.bias"};
}

}  // namespace svtune
