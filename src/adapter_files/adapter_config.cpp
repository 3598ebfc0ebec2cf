#include "adapter_files/adapter_config.h"

#include <algorithm>

#include "adapters/module_match.h"
#include "base/errors.h"
#include "base/text_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

// Reads the keys that say which modules train.
class TargetReader {
 public:
  TargetReader(PeftKeys& keys, const PeftReading<MethodConfig>& method)
      : keys_(keys),
        own_biases_(method.own_biases),
        may_be_empty_(!method.target_parameters.empty()) {}

  TargetOptions read() {
    TargetOptions targets;
    read_targets(targets);
    read_layers(targets.layers_to_transform);
    targets.ensure_weight_tying = keys_.boolean_or("ensure_weight_tying", false);
    read_bias(targets.bias);
    return targets;
  }

 private:
  void read_names(const std::string& key, std::vector<std::string>& list,
                  std::optional<std::string>* text) {
    const Json* value = keys_.find(key);
    if (value == nullptr) return;
    if (value->is_string() && text != nullptr) {
      *text = value->get<std::string>();
      return;
    }
    const auto is_text = [](const Json& each) { return each.is_string(); };
    if (!value->is_array() || !std::all_of(value->begin(), value->end(), is_text)) {
      return keys_.wrong(key, text ? "text or a list of names" : "a list of names");
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
    if (const Json* list = keys_.find("target_modules");
        list && list->is_array() && list->empty() && !may_be_empty_) {
      keys_.wrong("target_modules", "no empty list");
    }
    const Json* targets_json = keys_.find("target_modules");
    for (const char* key : {"layers_to_transform", "layers_pattern"}) {
      if (targets_json != nullptr && targets_json->is_string() && keys_.find(key) != nullptr) {
        keys_.problem(std::string(key) + " cannot be used when target_modules is text");
      }
    }
    read_names("exclude_modules", targets.exclude_modules, &targets.exclude_regex);
    read_names("modules_to_save", targets.modules_to_save, nullptr);
    std::optional<std::string> pattern;
    read_names("layers_pattern", targets.layers_pattern, &pattern);
    if (pattern && !pattern->empty()) targets.layers_pattern = {*pattern};
  }

  void read_bias(TrainedBias& bias) {
    const std::string text = keys_.text_or("bias", "none");
    if (text == own_biases_) {
      bias = TrainedBias::kLoraOnly;
    } else if (text == "all") {
      bias = TrainedBias::kAll;
    } else if (text != "none") {
      keys_.problem("bias is \"" + text + "\", need none, all or " + own_biases_);
    }
  }

  void read_layers(std::vector<std::int64_t>& layers) {
    const Json* value = keys_.find("layers_to_transform");
    if (value == nullptr) return;
    const Json list = value->is_array() ? *value : Json::array({*value});
    for (const Json& each : list) {
      if (!each.is_number_integer() || each.get<std::int64_t>() < 0) {
        return keys_.wrong("layers_to_transform", "a layer index or a list of them");
      }
      layers.push_back(each.get<std::int64_t>());
    }
  }

  PeftKeys& keys_;
  std::string own_biases_;
  bool may_be_empty_;  // the list of modules
};

Json name_list(const std::vector<std::string>& names) {
  return names.empty() ? Json(nullptr) : Json(names);
}

// Where PEFT cannot be told of the tie, it reads the shared tensor as two equal ones.
std::vector<std::string> saved_modules(const PeftForm& form, const TargetOptions& targets,
                                       const std::vector<std::string>& words) {
  std::vector<std::string> names = targets.modules_to_save;
  if (!targets.ensure_weight_tying || form.ties_words) return names;
  for (const std::string& each : words) {
    if (std::ranges::find(names, each) == names.end()) names.push_back(each);
  }
  return names;
}

// A list means the embedding alone.
Json token_rows(const TargetOptions& targets, const std::vector<std::string>& words) {
  const Json ids = targets.trainable_token_indices;
  if (!targets.trainable_token_head) return ids;
  Json rows = Json::object();
  for (const std::string& module : words) rows[module] = ids;
  return rows;
}

std::string bias_text(TrainedBias bias, const std::string& own_biases) {
  return bias == TrainedBias::kLoraOnly ? own_biases : std::string(enum_name(bias));
}

}  // namespace

Json pattern_value(const Json& patterns, const std::string& module) {
  for (const auto& [key, value] : patterns.items()) {
    if (matches_pattern_key(key, module)) return value;
  }
  return nullptr;
}

PeftConfig parse_peft_config(const Json& json, const std::string& source,
                             std::vector<std::string>& warnings, const StoredShape& shape) {
  if (!json.is_object()) throw FileError(source, "an object is expected");
  PeftKeys keys(json, source, warnings, shape);
  keys.ignore({"auto_mapping", "inference_mode", "peft_version", "revision", "task_type",
               "fan_in_fan_out", "runtime_config", "peft_type"});
  PeftConfig config;
  auto method = read_peft_method(keys);
  if (!method) keys.finish_unread();
  config.method = std::move(method).value();
  config.targets = TargetReader(keys, config.method).read();
  if (keys.find("base_model_name_or_path") != nullptr) {
    config.base_model = keys.text_or("base_model_name_or_path", "");
  }
  keys.finish();
  return config;
}

Json peft_config_json(const PeftForm& form, const TargetOptions& targets, const PeftModel& model) {
  Json json = form.keys;
  json["base_model_name_or_path"] = model.base_model;
  json["bias"] = bias_text(targets.bias, form.own_biases);
  json["inference_mode"] = true;
  json["layers_pattern"] = name_list(targets.layers_pattern);
  json["layers_to_transform"] =
      targets.layers_to_transform.empty() ? Json(nullptr) : Json(targets.layers_to_transform);
  json["peft_type"] = form.type;
  json["target_modules"] =
      targets.target_regex ? Json(*targets.target_regex) : name_list(targets.target_modules);
  json["task_type"] = model.task.empty() ? Json(nullptr) : Json(model.task);
  json["modules_to_save"] = name_list(saved_modules(form, targets, model.words));
  if (!targets.trainable_token_indices.empty()) {
    json["trainable_token_indices"] = token_rows(targets, model.words);
  }
  if (form.ties_words) json["ensure_weight_tying"] = targets.ensure_weight_tying;
  return json;
}

}  // namespace svtune
