// StarCoder 2: a decoder of Llama's kind with LayerNorm, biases and a plain GELU.
#include "models/families.h"
#include "models/families/decoder.h"

namespace svtune {
namespace {

FeedForward make_feed_forward(const ArchSpec& spec, bool bias, const Builder& at) {
  Mlp mlp;
  mlp.up = at.linear("c_fc", spec.intermediate_size, spec.hidden_size, bias);
  mlp.down = at.linear("c_proj", spec.hidden_size, spec.intermediate_size, bias);
  mlp.activation = Activation::kGeluTanh;
  mlp.activation_module = at.module("act");
  return mlp;
}

}  // namespace

void parse_starcoder2(ConfigReader& config, ArchSpec& spec) {
  DecoderOptions options = read_decoder(config, spec);
  options.norms.layer = LayerNormSpec{config.number_or("norm_epsilon", 1e-5)};
  const bool bias = config.boolean_or("use_bias", true);
  spec.bias_keys = {{"use_bias", ".self_attn."}, {"use_bias", ".mlp."}};
  options.biases.query_key_value = options.biases.output = bias;
  require_activation(config, "hidden_act", {"gelu_pytorch_tanh", "gelu_new", "gelu_fast"});
  reject_softcaps(config);
  options.layers.windows = read_windows(config, spec, config.integer_or("sliding_window", 0),
                                        [](std::int64_t) { return true; });
  spec.tied_head = config.boolean_or("tie_word_embeddings", true);
  spec.dropout.embedding = read_dropout(config, "embedding_dropout");
  spec.dropout.attention_output = read_dropout(config, "residual_dropout");
  spec.dropout.feed_forward_output = spec.dropout.attention_output;
  spec.build = decoder(options, [bias](const ArchSpec& arch, const Builder& block, std::int64_t) {
    return make_feed_forward(arch, bias, block.at("mlp"));
  });
}

}  // namespace svtune
