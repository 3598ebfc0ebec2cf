// Gemma 1 and 2: scaled embedding, norms by 1 + w, tanh GELU; Gemma 2 adds norms after
// each branch, soft caps and a window in every second layer.
#include <cmath>

#include "models/families.h"
#include "models/families/common.h"

namespace svtune {
namespace {

void parse_common(ConfigReader& config, ArchSpec& spec) {
  spec.norm.plus_one = true;
  spec.scale_embedding = true;
  spec.activation = Activation::kGeluTanh;
  spec.tied_head = config.boolean_or("tie_word_embeddings", true);
  spec.head_dim = config.integer_or("head_dim", 256);
  read_attention_bias(config, spec);
}

}  // namespace

void parse_gemma(ConfigReader& config, ArchSpec& spec) {
  parse_common(config, spec);
  spec.attention_scale = 1.0 / std::sqrt(static_cast<double>(spec.head_dim));
  // Old files say "gelu" and mean the tanh form.
  require_activation(config, "hidden_act", {"gelu_pytorch_tanh", "gelu"});
  require_activation(config, "hidden_activation", {"gelu_pytorch_tanh", "gelu"});
  reject_softcaps(config);
}

void parse_gemma2(ConfigReader& config, ArchSpec& spec) {
  parse_common(config, spec);
  spec.sandwich_norms = true;
  spec.attention_scale = 1.0 / std::sqrt(config.number_or("query_pre_attn_scalar", 256));
  spec.attention_softcap =
      config.is_null("attn_logit_softcapping") ? 0 : config.number_or("attn_logit_softcapping", 50);
  spec.logit_softcap = config.is_null("final_logit_softcapping")
                           ? 0
                           : config.number_or("final_logit_softcapping", 30);
  require_activation(config, "hidden_activation", {"gelu_pytorch_tanh"});
  const std::int64_t window = config.integer_or("sliding_window", 4096);
  apply_window(config, spec, window, [](std::int64_t layer) { return layer % 2 == 0; });
}

}  // namespace svtune
