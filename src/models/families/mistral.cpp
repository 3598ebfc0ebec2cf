// Mistral: Llama without biases, with a sliding window in every layer; in Ministral where
// layer_types says.
#include "models/families.h"
#include "models/families/decoder.h"

namespace svtune {

void parse_mistral(ConfigReader& config, ArchSpec& spec) {
  DecoderOptions options = read_decoder(config, spec);
  require_activation(config, "hidden_act", {"silu", "swish"});
  reject_softcaps(config);
  // null switches the window off, a missing key means 4096: two different things.
  const bool given = config.has("sliding_window");
  const std::int64_t window = config.integer_or("sliding_window", given ? 0 : 4096);
  options.layers.windows = read_windows(config, spec, window, [](std::int64_t) { return true; });
  spec.build = decoder(options);
}

}  // namespace svtune
