// Checks that several families share.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "models/arch_spec.h"

namespace svtune {

inline void require_activation(ConfigReader& config, const std::string& key,
                               const std::vector<std::string>& allowed) {
  const std::string value = config.text_or(key, allowed.front());
  if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
    config.problem("\"" + key + "\" = \"" + value + "\" is not supported for this family (" +
                   allowed.front() + " is)");
  }
}

inline void read_attention_bias(ConfigReader& config, ArchSpec& spec) {
  spec.optional_attention_bias = true;
  spec.query_key_value_bias = spec.output_bias = config.boolean_or("attention_bias", false);
}

inline void reject_softcaps(ConfigReader& config) {
  for (const char* key : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    if (config.find(key) != nullptr) {
      config.problem("\"" + std::string(key) + "\" is not supported for this family");
    }
  }
}

// layer_types of transformers >= 5: which layers use the window. Absent: `fallback`.
template <class Fallback>
void apply_window(ConfigReader& config, ArchSpec& spec, std::int64_t window, Fallback fallback) {
  const Json* types = config.find("layer_types");
  const auto layers = static_cast<std::size_t>(spec.num_layers);
  if (types != nullptr && (!types->is_array() || types->size() != layers)) {
    config.problem("\"layer_types\" must list " + std::to_string(layers) + " layers");
    return;
  }
  for (std::size_t i = 0; i < layers; ++i) {
    bool windowed = fallback(static_cast<std::int64_t>(i));
    if (types != nullptr) {
      windowed = (*types)[i] == "sliding_attention";
      if (!windowed && (*types)[i] != "full_attention") {
        config.problem("layer type " + (*types)[i].dump() + " is not supported");
      }
    }
    spec.windows[i] = windowed ? window : 0;
  }
}

}  // namespace svtune
