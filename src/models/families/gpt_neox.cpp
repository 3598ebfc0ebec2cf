// GPT-NeoX and Pythia: one matrix for query, key and value by head, a share of each head turns,
// LayerNorm, plain GELU, both branches read the block's input.
#include <cmath>

#include "models/families.h"
#include "models/families/decoder.h"
#include "models/network.h"
#include "models/rope_config.h"

namespace svtune {
namespace {

struct NeoxOptions {
  LayerNormSpec norm;
  Activation activation = Activation::kGelu;
  bool attention_bias = true;
  bool parallel = true;
};

Block make_block(const ArchSpec& spec, const NeoxOptions& options, const Builder& at) {
  const std::int64_t hidden = spec.hidden_size, inner = spec.intermediate_size;
  Block block;
  block.order = options.parallel ? BlockOrder::kParallel : BlockOrder::kSequential;
  block.attention_norm = at.layer_norm("input_layernorm", hidden, options.norm);
  block.feed_forward_norm = at.layer_norm("post_attention_layernorm", hidden, options.norm);
  Attention attention;
  attention.project = FusedByHead{
      at.linear("attention.query_key_value", 3 * hidden, hidden, options.attention_bias)};
  attention.output = at.linear("attention.dense", hidden, hidden, options.attention_bias);
  attention.heads = {spec.num_heads, spec.num_heads, spec.head_dim};
  attention.spec.scale = 1.0 / std::sqrt(static_cast<double>(spec.head_dim));
  block.attention = std::move(attention);
  Mlp mlp;
  mlp.up = at.linear("mlp.dense_h_to_4h", inner, hidden, true);
  mlp.down = at.linear("mlp.dense_4h_to_h", hidden, inner, true);
  mlp.activation = options.activation;
  mlp.activation_module = at.module("mlp.act");
  block.feed_forward = std::move(mlp);
  return block;
}

NetworkParts build_neox(const ArchSpec& spec, const NeoxOptions& options, const Builder& root) {
  NetworkParts parts;
  Backbone& backbone = parts.backbone;
  const Builder at = root.at("gpt_neox");
  backbone.embedding = at.embedding("embed_in", spec.vocab_size, spec.hidden_size);
  for (std::int64_t i = 0; i < spec.num_layers; ++i) {
    backbone.blocks.push_back(make_block(spec, options, at.at("layers." + std::to_string(i))));
  }
  backbone.final_norm = at.layer_norm("final_layer_norm", spec.hidden_size, options.norm);
  backbone.rotary_module = at.module("rotary_emb");
  backbone.rotations = {spec.rope};
  LanguageHead head;
  head.output = spec.tied_head ? root.tied("embed_out", backbone.embedding)
                               : root.linear("embed_out", spec.vocab_size, spec.hidden_size);
  parts.head = std::move(head);
  return parts;
}

}  // namespace

void parse_gpt_neox(ConfigReader& config, ArchSpec& spec) {
  NeoxOptions options;
  options.norm.eps = config.number_or("layer_norm_eps", options.norm.eps);
  options.attention_bias = config.boolean_or("attention_bias", true);
  options.parallel = config.boolean_or("use_parallel_residual", true);
  require_activation(config, "hidden_act", {"gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh"});
  if (config.text_or("hidden_act", "gelu") != "gelu") options.activation = Activation::kGeluTanh;
  spec.rope.theta = config.number_or("rotary_emb_base", 10000.0);
  spec.rope.width = turned_width(config, spec, "rotary_pct", 0.25);
  const double hidden = read_dropout(config, "hidden_dropout");
  spec.dropout = {.embedding = hidden,
                  .attention_weights = read_dropout(config, "attention_dropout"),
                  .attention_output = hidden,
                  .feed_forward_output = hidden};
  spec.base_prefix = "gpt_neox.";
  spec.default_targets = {"query_key_value"};
  spec.bias_keys = {{"attention_bias", ".attention."}};
  spec.buffers = {".attention.rotary_emb.inv_freq", ".attention.bias", ".attention.masked_bias"};
  spec.build = [options](const ArchSpec& arch, const Builder& root) {
    return build_neox(arch, options, root);
  };
}

}  // namespace svtune
