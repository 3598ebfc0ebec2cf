#include "adapter_files/adapter_config.h"

#include <algorithm>
#include <set>

#include "adapters/module_match.h"
#include "base/config_reader.h"
#include "base/errors.h"
#include "base/text_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

// Keys whose value, unless empty or false, changes what the adapter computes.
constexpr const char* kUnsupportedKeys[] = {
    "use_dora",    "target_parameters", "layer_replication", "alora_invocation_tokens",
    "use_qalora",  "use_bdlora",        "megatron_config",   "arrow_config",
    "kasa_config", "monteclora_config",
};

// Keys that need nothing for using a trained adapter.
const std::set<std::string> kHarmlessKeys = {
    "auto_mapping",      "inference_mode", "peft_version", "revision",
    "task_type",         "fan_in_fan_out", "loftq_config", "megatron_core",
    "qalora_group_size", "eva_config",     "corda_config", "lora_ga_config",
    "velora_config",     "runtime_config", "peft_type",    "base_model_name_or_path",
};

// Initialisations that change the base weight, so the factors alone do not say what the
// adapter adds. "pissa" is exact and can be repeated.
bool changes_base(const std::string& init) {
  return init == "olora" || init == "corda" || init == "loftq" || init == "lora_ga" ||
         init.starts_with("pissa_niter_");
}

bool is_empty_value(const Json& value) {
  return value.is_null() || value == Json(false) ||
         ((value.is_object() || value.is_array()) && value.empty());
}

class PeftConfigReader {
 public:
  PeftConfigReader(const Json& json, const std::string& source, std::vector<std::string>& warnings)
      : json_(json), keys_(json, source), warnings_(warnings) {}

  PeftLoraConfig read() {
    const std::string type = keys_.text_or("peft_type", "");
    if (type != "LORA") keys_.problem("peft_type is \"" + type + "\", need \"LORA\"");
    PeftLoraConfig config;
    config.rank = keys_.integer_or("r", 8);
    config.alpha = keys_.number_or("lora_alpha", 8);
    config.dropout = keys_.number_or("lora_dropout", 0);
    config.rslora = keys_.boolean_or("use_rslora", false);
    config.branch_bias = keys_.boolean_or("lora_bias", false);
    config.base_model = keys_.text_or("base_model_name_or_path", "");
    read_init(config);
    read_patterns(config);
    read_targets(config.targets);
    if (const Json* tokens = find("trainable_token_indices")) config.trainable_tokens = *tokens;
    check_ranges(config);
    check_keys();
    keys_.finish("");
    return config;
  }

 private:
  // Marks the key as known; null counts as absent.
  const Json* find(const std::string& key) {
    known_.insert(key);
    return keys_.find(key);
  }

  void wrong(const std::string& key, const std::string& need) {
    keys_.problem(key + " must be " + need);
  }

  void read_init(PeftLoraConfig& config) {
    const Json* init = find("init_lora_weights");
    if (init == nullptr) return;
    if (init->is_boolean()) {
      config.init = init->get<bool>() ? "true" : "false";
    } else if (init->is_string()) {
      config.init = init->get<std::string>();
    } else {
      wrong("init_lora_weights", "true, false or a name");
    }
    if (changes_base(config.init)) {
      keys_.problem("init_lora_weights \"" + config.init +
                    "\" changes the base weights when PEFT loads it; convert the adapter to a "
                    "plain LoRA (init_lora_weights true) first");
    }
  }

  template <class Value>
  void read_pattern(const std::string& key, std::vector<std::pair<std::string, Value>>& into) {
    const Json* map = find(key);
    if (map == nullptr) return;
    if (!map->is_object()) return wrong(key, "an object");
    for (const auto& item : map->items()) {
      const std::string& pattern = item.key();
      const Json& value = item.value();
      const bool fits = std::is_integral_v<Value> ? value.is_number_integer() : value.is_number();
      if (!fits) return wrong(key + "." + pattern, "a number");
      if (value.get<double>() <= 0) return wrong(key + "." + pattern, "positive");
      into.emplace_back(pattern, value.get<Value>());
    }
  }

  void read_patterns(PeftLoraConfig& config) {
    read_pattern("rank_pattern", config.rank_pattern);
    read_pattern("alpha_pattern", config.alpha_pattern);
  }

  void read_names(const std::string& key, std::vector<std::string>& list,
                  std::optional<std::string>* text) {
    const Json* value = find(key);
    if (value == nullptr) return;
    if (value->is_string() && text != nullptr) {
      *text = value->get<std::string>();
      return;
    }
    const auto is_text = [](const Json& each) { return each.is_string(); };
    if (!value->is_array() || !std::all_of(value->begin(), value->end(), is_text)) {
      return wrong(key, text ? "text or a list of names" : "a list of names");
    }
    list = value->get<std::vector<std::string>>();
    // PEFT writes sets in arbitrary order.
    std::ranges::sort(list);
  }

  void read_targets(TargetOptions& targets) {
    read_names("target_modules", targets.target_modules, &targets.target_regex);
    if (targets.target_regex && to_lower_ascii(*targets.target_regex) == "all-linear") {
      targets.target_regex.reset();
      targets.target_modules = {"all-linear"};
    }
    if (const Json* list = find("target_modules"); list && list->is_array() && list->empty()) {
      wrong("target_modules", "no empty list");
    }
    const Json* targets_json = find("target_modules");
    for (const char* key : {"layers_to_transform", "layers_pattern"}) {
      if (targets_json != nullptr && targets_json->is_string() && find(key) != nullptr) {
        keys_.problem(std::string(key) + " cannot be used when target_modules is text");
      }
    }
    read_names("exclude_modules", targets.exclude_modules, &targets.exclude_regex);
    read_names("modules_to_save", targets.modules_to_save, nullptr);
    std::optional<std::string> pattern;
    read_names("layers_pattern", targets.layers_pattern, &pattern);
    if (pattern && !pattern->empty()) targets.layers_pattern = {*pattern};
    read_layers(targets.layers_to_transform);
    targets.ensure_weight_tying = keys_.boolean_or("ensure_weight_tying", false);
    const std::string bias = keys_.text_or("bias", "none");
    if (const auto mode = enum_from_name<TrainedBias>(bias)) {
      targets.bias = *mode;
    } else {
      keys_.problem("bias is \"" + bias + "\", need none, all or lora_only");
    }
  }

  void read_layers(std::vector<std::int64_t>& layers) {
    const Json* value = find("layers_to_transform");
    if (value == nullptr) return;
    const Json list = value->is_array() ? *value : Json::array({*value});
    for (const Json& each : list) {
      if (!each.is_number_integer() || each.get<std::int64_t>() < 0) {
        return wrong("layers_to_transform", "a layer index or a list of them");
      }
      layers.push_back(each.get<std::int64_t>());
    }
  }

  void check_ranges(const PeftLoraConfig& config) {
    if (!(config.dropout >= 0 && config.dropout < 1))
      wrong("lora_dropout", "at least 0 and below 1");
    if (!(config.alpha > 0)) wrong("lora_alpha", "positive");
    if (config.branch_bias && config.init != "true" && config.init != "false") {
      keys_.problem("lora_bias needs init_lora_weights true or false");
    }
  }

  void check_keys() {
    for (const char* key : kUnsupportedKeys) {
      known_.insert(key);
      const auto found = json_.find(key);
      if (found == json_.end() || is_empty_value(*found)) continue;
      keys_.problem(std::string(key) + " changes what the adapter computes and is not supported");
    }
    for (const char* key : {"r", "lora_alpha", "lora_dropout", "use_rslora", "lora_bias", "bias",
                            "ensure_weight_tying"}) {
      known_.insert(key);
    }
    for (const auto& [key, value] : json_.items()) {
      if (known_.contains(key) || kHarmlessKeys.contains(key)) continue;
      warnings_.push_back("unknown key " + key + " is ignored");
    }
  }

  const Json& json_;
  ConfigReader keys_;
  std::vector<std::string>& warnings_;
  std::set<std::string> known_;
};

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

Json name_list(const std::vector<std::string>& names) {
  return names.empty() ? Json(nullptr) : Json(names);
}

template <class Value>
Json pattern_json(const std::vector<std::pair<std::string, Value>>& patterns) {
  Json map = Json::object();
  for (const auto& [pattern, value] : patterns) map[pattern] = value;
  return map;
}

// PEFT writes whole alphas as integers.
Json number_json(double value) {
  if (value == std::floor(value) && std::abs(value) < 1e15) return static_cast<std::int64_t>(value);
  return value;
}

}  // namespace

std::int64_t PeftLoraConfig::rank_of(const std::string& module) const {
  return resolve(rank_pattern, module, rank);
}

double PeftLoraConfig::alpha_of(const std::string& module) const {
  return resolve(alpha_pattern, module, alpha);
}

PeftLoraConfig parse_peft_config(const Json& json, const std::string& source,
                                 std::vector<std::string>& warnings) {
  if (!json.is_object()) throw FileError(source, "an object is expected");
  return PeftConfigReader(json, source, warnings).read();
}

Json peft_config_json(const PeftLoraConfig& config) {
  const TargetOptions& targets = config.targets;
  Json json = Json::object();
  json["alpha_pattern"] = Json::object();
  for (const auto& [pattern, value] : config.alpha_pattern) {
    json["alpha_pattern"][pattern] = number_json(value);
  }
  json["base_model_name_or_path"] = config.base_model;
  json["bias"] = std::string(enum_name(targets.bias));
  json["ensure_weight_tying"] = targets.ensure_weight_tying;
  json["exclude_modules"] =
      targets.exclude_regex ? Json(*targets.exclude_regex) : name_list(targets.exclude_modules);
  json["inference_mode"] = true;
  json["init_lora_weights"] = config.init == "true"    ? Json(true)
                              : config.init == "false" ? Json(false)
                                                       : Json(config.init);
  json["layers_pattern"] = name_list(targets.layers_pattern);
  json["layers_to_transform"] =
      targets.layers_to_transform.empty() ? Json(nullptr) : Json(targets.layers_to_transform);
  json["lora_alpha"] = number_json(config.alpha);
  json["lora_bias"] = config.branch_bias;
  json["lora_dropout"] = config.dropout;
  json["modules_to_save"] = name_list(targets.modules_to_save);
  json["peft_type"] = "LORA";
  json["r"] = config.rank;
  json["rank_pattern"] = pattern_json(config.rank_pattern);
  json["target_modules"] =
      targets.target_regex ? Json(*targets.target_regex) : name_list(targets.target_modules);
  json["task_type"] = "CAUSAL_LM";
  json["trainable_token_indices"] = config.trainable_tokens;
  json["use_dora"] = false;
  json["use_rslora"] = config.rslora;
  return json;
}

LowRankConfig low_rank_config(const PeftLoraConfig& config,
                              const std::vector<std::string>& modules) {
  LowRankConfig out;
  out.rank = config.rank;
  out.alpha = config.alpha;
  out.rslora = config.rslora;
  out.dropout = config.dropout;
  out.rank_pattern = sorted_patterns(config.rank_pattern, config.rank, modules);
  out.alpha_pattern = sorted_patterns(config.alpha_pattern, config.alpha, modules);
  return out;
}

PeftLoraConfig peft_config(const LowRankConfig& config, const std::vector<std::string>& modules) {
  PeftLoraConfig out;
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

}  // namespace svtune
