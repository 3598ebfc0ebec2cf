// GPT-2: learned positions, LayerNorm, one matrix for query, key and value, plain GELU. Model
// directories hold its matrices as [in, out].
#include <algorithm>
#include <cmath>
#include <utility>

#include "models/families.h"
#include "models/families/decoder.h"

namespace svtune {
namespace {

struct Gpt2Options {
  LayerNormSpec norm;
  Activation activation = Activation::kGeluTanh;
  bool scale_scores = true;     // by 1 / sqrt(width of a head)
  bool scale_by_layer = false;  // and by 1 / (index + 1)
};

double score_scale(const ArchSpec& spec, const Gpt2Options& options, std::int64_t layer) {
  const double scale =
      options.scale_scores ? 1.0 / std::sqrt(static_cast<double>(spec.head_dim)) : 1.0;
  return options.scale_by_layer ? scale / static_cast<double>(layer + 1) : scale;
}

Block make_block(const ArchSpec& spec, const Gpt2Options& options, const Builder& at,
                 std::int64_t layer) {
  const std::int64_t hidden = spec.hidden_size, inner = spec.intermediate_size;
  Block block;
  block.attention_norm = at.layer_norm("ln_1", hidden, options.norm);
  Attention attention;
  attention.project = FusedInTurn{at.linear("attn.c_attn", 3 * hidden, hidden, true)};
  attention.output = at.linear("attn.c_proj", hidden, hidden, true);
  attention.rotation.reset();
  attention.heads = {spec.num_heads, spec.num_heads, spec.head_dim};
  attention.spec.scale = score_scale(spec, options, layer);
  block.attention = std::move(attention);
  block.feed_forward_norm = at.layer_norm("ln_2", hidden, options.norm);
  Mlp mlp;
  mlp.up = at.linear("mlp.c_fc", inner, hidden, true);
  mlp.down = at.linear("mlp.c_proj", hidden, inner, true);
  mlp.activation = options.activation;
  mlp.activation_module = at.module("mlp.act");
  block.feed_forward = std::move(mlp);
  return block;
}

NetworkParts build_gpt2(const ArchSpec& spec, const Gpt2Options& options, const Builder& root) {
  NetworkParts parts;
  Backbone& backbone = parts.backbone;
  const Builder at = root.at("transformer");
  backbone.embedding = at.embedding("wte", spec.vocab_size, spec.hidden_size);
  backbone.position_embedding = at.embedding("wpe", spec.max_positions, spec.hidden_size);
  for (std::int64_t i = 0; i < spec.num_layers; ++i) {
    backbone.blocks.push_back(make_block(spec, options, at.at("h." + std::to_string(i)), i));
  }
  backbone.final_norm = at.layer_norm("ln_f", spec.hidden_size, options.norm);
  LanguageHead head;
  head.output = spec.tied_head ? root.tied("lm_head", backbone.embedding)
                               : root.linear("lm_head", spec.vocab_size, spec.hidden_size);
  parts.head = std::move(head);
  return parts;
}

}  // namespace

void parse_gpt2(ConfigReader& config, ArchSpec& spec) {
  Gpt2Options options;
  options.norm.eps = config.number_or("layer_norm_epsilon", options.norm.eps);
  options.scale_scores = config.boolean_or("scale_attn_weights", true);
  options.scale_by_layer = config.boolean_or("scale_attn_by_inverse_layer_idx", false);
  const std::string key = "activation_function";
  require_activation(config, key, {"gelu_new", "gelu", "gelu_fast", "gelu_pytorch_tanh"});
  if (config.text_or(key, "gelu_new") == "gelu") options.activation = Activation::kGelu;
  require_false(config, {"add_cross_attention"});
  if (spec.hidden_size % spec.num_heads != 0) {
    config.problem("n_embd " + std::to_string(spec.hidden_size) + " is not a multiple of n_head " +
                   std::to_string(spec.num_heads));
  }
  spec.head_dim = std::max<std::int64_t>(1, spec.hidden_size / spec.num_heads);
  spec.num_kv_heads = spec.num_heads;
  const double branches = read_dropout(config, "resid_pdrop");
  spec.dropout = {.embedding = read_dropout(config, "embd_pdrop"),
                  .attention_weights = read_dropout(config, "attn_pdrop"),
                  .attention_output = branches,
                  .feed_forward_output = branches};
  spec.rotary = false;
  spec.tied_head = config.boolean_or("tie_word_embeddings", true);
  spec.base_prefix = "transformer.";
  spec.default_targets = {"c_attn"};
  spec.buffers = {".attn.bias", ".attn.masked_bias"};
  spec.transposed = {".c_attn.weight", ".c_proj.weight", ".c_fc.weight"};
  spec.build = [options](const ArchSpec& arch, const Builder& root) {
    return build_gpt2(arch, options, root);
  };
}

}  // namespace svtune
