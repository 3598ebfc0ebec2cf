// Qwen 2 and 2.5 (biases on q, k, v) and Qwen 3 (norms on q and k, own head_dim).
#include "models/families.h"
#include "models/families/decoder.h"

namespace svtune {
namespace {

void read_window(ConfigReader& config, ArchSpec& spec, DecoderOptions& options) {
  if (!config.boolean_or("use_sliding_window", false)) return;
  const std::int64_t window = config.integer_or("sliding_window", 4096);
  const std::int64_t first = config.integer_or_zero("max_window_layers", 28);
  options.layers.windows =
      read_windows(config, spec, window, [first](std::int64_t layer) { return layer >= first; });
}

}  // namespace

void parse_qwen2(ConfigReader& config, ArchSpec& spec) {
  DecoderOptions options = read_decoder(config, spec);
  options.biases.query_key_value = true;
  require_activation(config, "hidden_act", {"silu", "swish"});
  reject_softcaps(config);
  read_window(config, spec, options);
  spec.build = decoder(options);
}

void parse_qwen3(ConfigReader& config, ArchSpec& spec) {
  DecoderOptions options = read_decoder(config, spec);
  options.norms.heads = HeadNorm::kEachHead;
  spec.head_dim = config.integer_or("head_dim", 128);
  read_attention_bias(config, spec, options);
  require_activation(config, "hidden_act", {"silu", "swish"});
  reject_softcaps(config);
  read_window(config, spec, options);
  spec.build = decoder(options);
}

}  // namespace svtune
