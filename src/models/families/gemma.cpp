// Gemma 1, 2 and 3: scaled embedding, norms by 1 + w, tanh GELU; Gemma 2 adds norms after each
// branch, soft caps and a window in every second layer; Gemma 3 has a window in five of six layers,
// with a rotation of their own, and norms on query and key.
#include <cmath>

#include "models/families.h"
#include "models/families/decoder.h"

namespace svtune {
namespace {

DecoderOptions read_common(ConfigReader& config, ArchSpec& spec) {
  DecoderOptions options = read_decoder(config, spec);
  options.norms.rms.plus_one = true;
  options.scales.embedding = std::sqrt(static_cast<double>(spec.hidden_size));
  options.activation = Activation::kGeluTanh;
  spec.tied_head = config.boolean_or("tie_word_embeddings", true);
  spec.head_dim = config.integer_or("head_dim", 256);
  read_attention_bias(config, spec, options);
  return options;
}

}  // namespace

void parse_gemma(ConfigReader& config, ArchSpec& spec) {
  const DecoderOptions options = read_common(config, spec);
  // Old files say "gelu" and mean the tanh form.
  require_activation(config, "hidden_act", {"gelu_pytorch_tanh", "gelu"});
  require_activation(config, "hidden_activation", {"gelu_pytorch_tanh", "gelu"});
  reject_softcaps(config);
  spec.build = decoder(options);
}

void parse_gemma2(ConfigReader& config, ArchSpec& spec) {
  DecoderOptions options = read_common(config, spec);
  options.norms.place = NormPlace::kAround;
  options.scales.attention = 1.0 / std::sqrt(config.number_or("query_pre_attn_scalar", 256));
  options.scales.attention_cap =
      config.is_null("attn_logit_softcapping") ? 0 : config.number_or("attn_logit_softcapping", 50);
  options.scales.logit_cap = config.is_null("final_logit_softcapping")
                                 ? 0
                                 : config.number_or("final_logit_softcapping", 30);
  require_activation(config, "hidden_activation", {"gelu_pytorch_tanh"});
  options.layers.windows = read_windows(config, spec, config.integer_or("sliding_window", 4096),
                                        [](std::int64_t layer) { return layer % 2 == 0; });
  spec.build = decoder(options);
}

void parse_gemma3_text(ConfigReader& config, ArchSpec& spec) {
  DecoderOptions options = read_common(config, spec);
  options.norms.place = NormPlace::kAround;
  options.norms.heads = HeadNorm::kEachHead;
  options.scales.attention = 1.0 / std::sqrt(config.number_or("query_pre_attn_scalar", 256));
  options.scales.attention_cap = config.number_or("attn_logit_softcapping", 0);
  options.scales.logit_cap = config.number_or("final_logit_softcapping", 0);
  require_activation(config, "hidden_activation", {"gelu_pytorch_tanh"});
  const std::int64_t pattern = config.integer_or("sliding_window_pattern", 6);
  options.layers.windows =
      read_windows(config, spec, config.integer_or("sliding_window", 4096),
                   [pattern](std::int64_t layer) { return (layer + 1) % pattern != 0; });
  spec.rope.theta = 1000000.0;
  spec.window_rope.emplace().theta = config.number_or("rope_local_base_freq", 10000.0);
  spec.build = decoder(options);
}

}  // namespace svtune
