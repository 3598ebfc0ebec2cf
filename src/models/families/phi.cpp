// Phi 1, 1.5 and 2: both branches of a block read one LayerNorm of its input, a share of each head
// turns, plain GELU, biases everywhere, also in the output head.
#include <cmath>

#include "models/families.h"
#include "models/families/decoder.h"
#include "models/network.h"
#include "models/rope_config.h"

namespace svtune {
namespace {

struct PhiOptions {
  LayerNormSpec norm;
  Activation activation = Activation::kGeluTanh;
  bool head_norms = false;  // of query and key, before they turn
};

Attention make_attention(const ArchSpec& spec, const PhiOptions& options, const Builder& at) {
  const std::int64_t hidden = spec.hidden_size, width = spec.head_dim;
  const std::int64_t queries = spec.num_heads * width, keys = spec.num_kv_heads * width;
  Attention attention;
  attention.project =
      Projections{at.linear("q_proj", queries, hidden, true),
                  at.linear("k_proj", keys, hidden, true), at.linear("v_proj", keys, hidden, true)};
  attention.output = at.linear("dense", hidden, queries, true);
  if (options.head_norms) {
    attention.query_norm = at.layer_norm("q_layernorm", width, options.norm);
    attention.key_norm = at.layer_norm("k_layernorm", width, options.norm);
  }
  attention.heads = {spec.num_heads, spec.num_kv_heads, width};
  attention.spec.scale = 1.0 / std::sqrt(static_cast<double>(width));
  return attention;
}

Block make_block(const ArchSpec& spec, const PhiOptions& options, const Builder& at) {
  Block block;
  block.order = BlockOrder::kParallelOneNorm;
  block.attention_norm = at.layer_norm("input_layernorm", spec.hidden_size, options.norm);
  block.attention = make_attention(spec, options, at.at("self_attn"));
  Mlp mlp;
  mlp.up = at.linear("mlp.fc1", spec.intermediate_size, spec.hidden_size, true);
  mlp.down = at.linear("mlp.fc2", spec.hidden_size, spec.intermediate_size, true);
  mlp.activation = options.activation;
  mlp.activation_module = at.module("mlp.activation_fn");
  block.feed_forward = std::move(mlp);
  return block;
}

NetworkParts build_phi(const ArchSpec& spec, const PhiOptions& options, const Builder& root) {
  NetworkParts parts;
  Backbone& backbone = parts.backbone;
  const Builder at = root.at("model");
  backbone.embedding = at.embedding("embed_tokens", spec.vocab_size, spec.hidden_size);
  for (std::int64_t i = 0; i < spec.num_layers; ++i) {
    backbone.blocks.push_back(make_block(spec, options, at.at("layers." + std::to_string(i))));
  }
  backbone.final_norm = at.layer_norm("final_layernorm", spec.hidden_size, options.norm);
  backbone.rotary_module = at.module("rotary_emb");
  backbone.rotations = {spec.rope};
  LanguageHead head;
  head.output = root.linear("lm_head", spec.vocab_size, spec.hidden_size, true);
  parts.head = std::move(head);
  return parts;
}

}  // namespace

void parse_phi(ConfigReader& config, ArchSpec& spec) {
  PhiOptions options;
  options.norm.eps = config.number_or("layer_norm_eps", options.norm.eps);
  options.head_norms = config.boolean_or("qk_layernorm", false);
  require_activation(config, "hidden_act", {"gelu_new", "gelu", "gelu_fast", "gelu_pytorch_tanh"});
  if (config.text_or("hidden_act", "gelu_new") == "gelu") options.activation = Activation::kGelu;
  // A tied head would be one without its bias.
  require_false(config, {"tie_word_embeddings"});
  spec.rope.width = turned_width(config, spec, "partial_rotary_factor", 0.5);
  const double branches = read_dropout(config, "resid_pdrop");
  spec.dropout = {.embedding = read_dropout(config, "embd_pdrop"),
                  .attention_weights = read_dropout(config, "attention_dropout"),
                  .attention_output = branches,
                  .feed_forward_output = branches};
  spec.base_prefix = "model.";
  spec.default_targets = {"q_proj", "v_proj", "fc1", "fc2"};
  spec.build = [options](const ArchSpec& arch, const Builder& root) {
    return build_phi(arch, options, root);
  };
}

}  // namespace svtune
