// ModernBERT: norms before the branches, of which the first attention has none; one matrix for
// query, key and value, a gated feed-forward part, positions that turn the heads; in two of three
// layers a window to both sides, with a rotation of its own. All heads transform their rows first.
// Source: Warner et al., arXiv 2412.13663.
#include <cmath>
#include <utility>

#include "models/families.h"
#include "models/families/decoder.h"
#include "models/families/encoder.h"

namespace svtune {
namespace {

struct ModernBertOptions {
  LayerNormSpec norm;
  Activation activation = Activation::kGelu, head_activation = Activation::kGelu;
  std::vector<std::int64_t> windows = {};  // per layer, AttentionSpec::window
  bool attention_bias = false, mlp_bias = false, head_bias = false, output_bias = true;
  Pooling pooling = Pooling::kFirst;
};

Attention modernbert_attention(const ArchSpec& spec, const ModernBertOptions& options,
                               const Builder& at, std::int64_t window) {
  const std::int64_t hidden = spec.hidden_size;
  Attention attention;
  attention.project = FusedInTurn{at.linear("Wqkv", 3 * hidden, hidden, options.attention_bias)};
  attention.output = at.linear("Wo", hidden, hidden, options.attention_bias);
  attention.heads = {spec.num_heads, spec.num_heads, spec.head_dim};
  attention.rotation = window > 0 ? std::size_t{1} : std::size_t{0};
  attention.spec.scale = 1.0 / std::sqrt(static_cast<double>(spec.head_dim));
  attention.spec.window = window;
  attention.spec.causal = false;
  return attention;
}

Block modernbert_block(const ArchSpec& spec, const ModernBertOptions& options, const Builder& at,
                       std::int64_t layer) {
  const std::int64_t hidden = spec.hidden_size, inner = spec.intermediate_size;
  Block block;
  // The embedding's norm is the first layer's.
  if (layer > 0) block.attention_norm = at.layer_norm("attn_norm", hidden, options.norm);
  block.attention = modernbert_attention(spec, options, at.at("attn"),
                                         options.windows[static_cast<std::size_t>(layer)]);
  block.feed_forward_norm = at.layer_norm("mlp_norm", hidden, options.norm);
  FusedGatedMlp mlp;
  mlp.gate_up = at.linear("mlp.Wi", 2 * inner, hidden, options.mlp_bias);
  mlp.down = at.linear("mlp.Wo", hidden, inner, options.mlp_bias);
  mlp.activation = options.activation;
  mlp.activation_module = at.module("mlp.act");
  block.feed_forward = std::move(mlp);
  return block;
}

Backbone modernbert_backbone(const ArchSpec& spec, const ModernBertOptions& options,
                             const Builder& at) {
  Backbone backbone;
  backbone.embedding = at.embedding("embeddings.tok_embeddings", spec.vocab_size, spec.hidden_size);
  backbone.embedding_norm = at.layer_norm("embeddings.norm", spec.hidden_size, options.norm);
  for (std::int64_t i = 0; i < spec.num_layers; ++i) {
    const Builder block = at.at("layers." + std::to_string(i));
    backbone.blocks.push_back(modernbert_block(spec, options, block, i));
  }
  backbone.final_norm = at.layer_norm("final_norm", spec.hidden_size, options.norm);
  backbone.rotary_module = at.module("rotary_emb");
  backbone.rotations = {spec.rope, *spec.window_rope};
  return backbone;
}

NetworkParts build_modernbert(const ArchSpec& spec, const ModernBertOptions& options,
                              const Builder& root) {
  const std::int64_t hidden = spec.hidden_size;
  const bool bias = options.output_bias;
  NetworkParts parts;
  parts.backbone = modernbert_backbone(spec, options, root.at("model"));
  RowTransform transform;
  transform.dense = root.linear("head.dense", hidden, hidden, options.head_bias);
  transform.activation = options.head_activation;
  transform.norm = root.layer_norm("head.norm", hidden, options.norm);
  if (spec.task == HeadTask::kMasked) {
    LanguageHead head;
    head.output = spec.tied_head ? root.tied("decoder", parts.backbone.embedding, bias)
                                 : root.linear("decoder", spec.vocab_size, hidden, bias);
    head.transform = std::move(transform);
    parts.head = std::move(head);
    return parts;
  }
  Linear output = root.linear("classifier", spec.num_labels, hidden, true);
  if (spec.task == HeadTask::kToken) {
    parts.head = TokenHead{std::move(output), std::move(transform)};
    return parts;
  }
  DocumentHead head;
  head.transform = std::move(transform);
  head.output = std::move(output);
  head.pooling = options.pooling;
  parts.head = std::move(head);
  return parts;
}

// Files from before transformers 5 say the two bases beside each other, newer ones have
// rope_parameters by layer type. One description of both would leave open whose it is.
void read_rotations(ConfigReader& config, ArchSpec& spec) {
  spec.rope.theta = config.number_or("global_rope_theta", 160000.0);
  spec.window_rope.emplace().theta = config.is_null("local_rope_theta")
                                         ? spec.rope.theta
                                         : config.number_or("local_rope_theta", 10000.0);
  const auto refuse = [&](const std::string& key) {
    config.problem("\"" + key +
                   "\" of all layers is not supported for this family (rope_parameters with "
                   "full_attention and sliding_attention are)");
  };
  for (const char* key : {"rope_theta", "rope_scaling"}) {
    if (config.find(key) != nullptr) refuse(key);
  }
  const Json* section = config.find("rope_parameters");
  if (section != nullptr && section->is_object() && !section->empty() &&
      !section->contains("full_attention") && !section->contains("sliding_attention")) {
    refuse("rope_parameters");
  }
}

ModernBertOptions read_modernbert(ConfigReader& config, ArchSpec& spec) {
  ModernBertOptions options;
  options.norm.eps = config.number_or("norm_eps", 1e-5);
  options.norm.bias = config.boolean_or("norm_bias", false);
  options.activation = read_activation(config, "hidden_activation");
  options.head_activation = read_activation(config, "classifier_activation");
  options.attention_bias = config.boolean_or("attention_bias", false);
  options.mlp_bias = config.boolean_or("mlp_bias", false);
  options.head_bias = config.boolean_or("classifier_bias", false);
  options.output_bias = config.boolean_or("decoder_bias", true);
  // The file counts both sides of a token, AttentionSpec one of them and the token.
  const std::int64_t window = config.integer_or("local_attention", 128) / 2 + 1;
  const std::int64_t pattern = config.integer_or("global_attn_every_n_layers", 3);
  options.windows = read_windows(config, spec, window,
                                 [pattern](std::int64_t layer) { return layer % pattern != 0; });
  const std::string pooling = config.text_or("classifier_pooling", "cls");
  if (pooling == "mean") options.pooling = Pooling::kMean;
  if (pooling != "mean" && pooling != "cls") {
    config.problem("\"classifier_pooling\" = \"" + pooling + "\" is not supported (cls, mean are)");
  }
  return options;
}

}  // namespace

void parse_modernbert(ConfigReader& config, ArchSpec& spec) {
  spec.base_prefix = "model.";
  spec.default_targets = {"Wqkv"};
  spec.bias_keys = {{"attention_bias", ".attn."},
                    {"mlp_bias", ".mlp."},
                    {"classifier_bias", "head.dense"},
                    {"decoder_bias", "decoder"}};
  spec.buffers = {"rotary_emb.inv_freq"};
  spec.max_positions = config.integer_or("max_position_embeddings", 8192);
  read_encoder_task(config, spec);
  if (spec.hidden_size % spec.num_heads == 0 &&
      spec.head_dim != spec.hidden_size / spec.num_heads) {
    config.problem("\"head_dim\" must be the hidden size over the heads");
  }
  read_rotations(config, spec);
  const ModernBertOptions options = read_modernbert(config, spec);
  const double attention = read_dropout(config, "attention_dropout");
  spec.dropout = {.embedding = read_dropout(config, "embedding_dropout"),
                  .attention_weights = attention,
                  .attention_output = attention,
                  .feed_forward_activation = read_dropout(config, "mlp_dropout"),
                  .head_output = read_dropout(config, "classifier_dropout")};
  spec.build = [options](const ArchSpec& arch, const Builder& root) {
    return build_modernbert(arch, options, root);
  };
}

}  // namespace svtune
