// adapter_config.json of PEFT, peft_type LORA: the translation between its keys and svtune's
// words lives here and nowhere else. Semantics follow PEFT 0.21.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "adapters/lora/lora.h"
#include "attach/target_modules.h"
#include "base/json.h"

namespace svtune {

struct PeftLoraConfig {
  std::int64_t rank = 8;
  double alpha = 8;
  double dropout = 0;
  bool rslora = false;
  bool branch_bias = false;   // lora_bias
  std::string init = "true";  // "true", "false" or the name of an initialisation
  // In the file's order: the first key that matches counts.
  std::vector<std::pair<std::string, std::int64_t>> rank_pattern;
  std::vector<std::pair<std::string, double>> alpha_pattern;
  TargetOptions targets;
  std::string base_model;
  Json trainable_tokens;  // trainable_token_indices as written; null when absent

  // Rank and alpha of a module after the patterns.
  std::int64_t rank_of(const std::string& module) const;
  double alpha_of(const std::string& module) const;
};

// Throws FileError listing every key of wrong type, out of range, or that changes the
// mathematics and is not supported (use_dora, target_parameters, ...). Unknown keys and
// settings without effect here go to `warnings`.
PeftLoraConfig parse_peft_config(const Json& json, const std::string& source,
                                 std::vector<std::string>& warnings);

// The file's content with sorted keys left to the writer.
Json peft_config_json(const PeftLoraConfig& config);

// svtune's options for the same adapter on these modules. Patterns that would resolve
// otherwise in sorted order are rewritten as full names.
LowRankConfig low_rank_config(const PeftLoraConfig& config,
                              const std::vector<std::string>& modules);

// The reverse: PEFT's keys for what svtune's options mean on these modules.
PeftLoraConfig peft_config(const LowRankConfig& config, const std::vector<std::string>& modules);

}  // namespace svtune
