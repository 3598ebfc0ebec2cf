// adapter_config.json of PEFT: the keys that all types share, beside those of the method
// (adapters/peft_form.h). Semantics follow PEFT 0.21.
#pragma once

#include <string>
#include <vector>

#include "adapters/methods.h"
#include "attach/target_modules.h"
#include "base/json.h"

namespace svtune {

// What rank_pattern or alpha_pattern says of a module, by the first key that matches; null for
// nothing.
Json pattern_value(const Json& patterns, const std::string& module);

struct PeftConfig {
  PeftReading<MethodConfig> method;
  TargetOptions targets;
  std::string base_model;
};

// Throws FileError listing every key of wrong type, out of range, or that changes the
// mathematics and is not supported. Other unknown keys and settings without effect here go to
// `warnings`. `shape` tells of the weights, where they are at hand.
PeftConfig parse_peft_config(const Json& json, const std::string& source,
                             std::vector<std::string>& warnings, const StoredShape& shape = {});

// What adapter_config.json says of the model.
struct PeftModel {
  std::string base_model;          // base_model_name_or_path
  std::string task;                // task_type; empty: PEFT has no word for it
  std::vector<std::string> words;  // embedding and head: one tensor when the targets keep a tie
};

// The file's content with sorted keys left to the writer.
Json peft_config_json(const PeftForm& form, const TargetOptions& targets, const PeftModel& model);

}  // namespace svtune
