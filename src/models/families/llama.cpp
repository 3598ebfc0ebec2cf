// Llama 1, 2, 3, 3.1, 3.2 and models saved under the same type (SmolLM2).
#include "models/families.h"
#include "models/families/decoder.h"

namespace svtune {

void parse_llama(ConfigReader& config, ArchSpec& spec) {
  DecoderOptions options = read_decoder(config, spec);
  read_attention_bias(config, spec, options);
  spec.bias_keys.push_back({"mlp_bias", ".mlp."});
  options.biases.mlp = config.boolean_or("mlp_bias", false);
  require_activation(config, "hidden_act", {"silu", "swish"});
  reject_softcaps(config);
  spec.build = decoder(options);
}

}  // namespace svtune
