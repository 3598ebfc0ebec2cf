// Granite 3: Llama with factors on the embedding, the scores, the branches and the logits.
#include "models/families.h"
#include "models/families/decoder.h"

namespace svtune {

void parse_granite(ConfigReader& config, ArchSpec& spec) {
  DecoderOptions options = read_decoder(config, spec);
  read_attention_bias(config, spec, options);
  spec.bias_keys.push_back({"mlp_bias", ".mlp."});
  options.biases.mlp = config.boolean_or("mlp_bias", false);
  require_activation(config, "hidden_act", {"silu", "swish"});
  reject_softcaps(config);
  options.scales.embedding = config.number_or("embedding_multiplier", 1.0);
  options.scales.attention = config.number_or("attention_multiplier", 1.0);
  options.scales.branch = config.number_or("residual_multiplier", 1.0);
  const double logits = config.number_or("logits_scaling", 1.0);
  if (!(options.scales.attention > 0) || !(logits > 0)) {
    config.problem("attention_multiplier and logits_scaling must be positive");
  }
  options.scales.final_states = 1.0 / logits;
  spec.build = decoder(options);
}

}  // namespace svtune
