// Llama 1, 2, 3, 3.1, 3.2 and models saved under the same type (SmolLM2).
#include "models/families.h"
#include "models/families/common.h"

namespace svtune {

void parse_llama(ConfigReader& config, ArchSpec& spec) {
  const bool attention_bias = config.boolean_or("attention_bias", false);
  spec.query_key_value_bias = attention_bias;
  spec.output_bias = attention_bias;
  spec.mlp_bias = config.boolean_or("mlp_bias", false);
  require_activation(config, "hidden_act", {"silu", "swish"});
  reject_softcaps(config);
}

}  // namespace svtune
