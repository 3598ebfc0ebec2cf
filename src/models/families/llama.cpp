// Llama 1, 2, 3, 3.1, 3.2 and models saved under the same type (SmolLM2).
#include "models/families.h"
#include "models/families/common.h"

namespace svtune {

void parse_llama(ConfigReader& config, ArchSpec& spec) {
  read_attention_bias(config, spec);
  spec.optional_mlp_bias = true;
  spec.mlp_bias = config.boolean_or("mlp_bias", false);
  require_activation(config, "hidden_act", {"silu", "swish"});
  reject_softcaps(config);
}

}  // namespace svtune
