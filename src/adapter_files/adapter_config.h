// adapter_config.json of PEFT: the keys that all types share, beside those of the method
// (adapters/peft_form.h). Semantics follow PEFT 0.21.
#pragma once

#include <string>
#include <vector>

#include "adapters/methods.h"
#include "attach/target_modules.h"
#include "base/json.h"

namespace svtune {

struct PeftConfig {
  PeftReading<MethodConfig> method;
  TargetOptions targets;
  std::string base_model;
};

// Throws FileError listing every key of wrong type, out of range, or that changes the
// mathematics and is not supported. Other unknown keys and settings without effect here go to
// `warnings`.
PeftConfig parse_peft_config(const Json& json, const std::string& source,
                             std::vector<std::string>& warnings);

// The file's content with sorted keys left to the writer. `words` names the embedding and the
// head, which hold one tensor when the targets keep a tie.
Json peft_config_json(const PeftForm& form, const TargetOptions& targets,
                      const std::string& base_model, const std::vector<std::string>& words);

}  // namespace svtune
