// SmolLM 3: Llama with layers, every fourth by default, that positions do not turn.
#include "models/families.h"
#include "models/families/decoder.h"

namespace svtune {
namespace {

// no_rope_layers says 1 for a layer that turns.
std::vector<bool> read_turns(ConfigReader& config, const ArchSpec& spec) {
  const std::int64_t interval = config.integer_or("no_rope_layer_interval", 4);
  std::vector<bool> turns;
  for (std::int64_t i = 0; i < spec.num_layers; ++i) turns.push_back((i + 1) % interval != 0);
  const Json* list = config.find("no_rope_layers");
  if (list == nullptr) return turns;
  bool good = list->is_array() && list->size() >= turns.size();
  for (std::size_t i = 0; good && i < turns.size(); ++i) {
    good = (*list)[i] == 0 || (*list)[i] == 1;
    turns[i] = (*list)[i] == 1;
  }
  if (!good) {
    config.problem("\"no_rope_layers\" must say 0 or 1 for each of " +
                   std::to_string(spec.num_layers) + " layers");
  }
  return turns;
}

}  // namespace

void parse_smollm3(ConfigReader& config, ArchSpec& spec) {
  DecoderOptions options = read_decoder(config, spec);
  read_attention_bias(config, spec, options);
  spec.bias_keys.push_back({"mlp_bias", ".mlp."});
  options.biases.mlp = config.boolean_or("mlp_bias", false);
  require_activation(config, "hidden_act", {"silu", "swish"});
  reject_softcaps(config);
  options.layers.turns = read_turns(config, spec);
  spec.numbered_layers = true;
  if (config.boolean_or("use_sliding_window", false)) {
    options.layers.windows = read_windows(
        config, spec, config.integer_or("sliding_window", 0),
        [&](std::int64_t layer) { return !options.layers.turns[static_cast<std::size_t>(layer)]; });
  }
  spec.tied_head = config.boolean_or("tie_word_embeddings", true);
  spec.rope.theta = 2000000.0;
  spec.build = decoder(options);
}

}  // namespace svtune
