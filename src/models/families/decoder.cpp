#include "models/families/decoder.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "libtorch/prelude.h"

namespace svtune {
namespace {

Norm make_norm(const std::string& name, std::int64_t width, const DecoderOptions& options,
               const Builder& at) {
  return options.norms.layer ? at.layer_norm(name, width, *options.norms.layer)
                             : at.rms_norm(name, width, options.norms.rms);
}

std::int64_t window_of(const DecoderOptions& options, std::int64_t layer) {
  const std::vector<std::int64_t>& windows = options.layers.windows;
  return windows.empty() ? 0 : windows[static_cast<std::size_t>(layer)];
}

std::optional<std::size_t> rotation_of(const ArchSpec& spec, const DecoderOptions& options,
                                       std::int64_t layer) {
  const std::vector<bool>& turns = options.layers.turns;
  if (!turns.empty() && !turns[static_cast<std::size_t>(layer)]) return {};
  return spec.window_rope && window_of(options, layer) > 0 ? 1 : 0;
}

void add_projections(Attention& attention, std::int64_t hidden, const DecoderOptions& options,
                     const Builder& at) {
  const HeadShape& heads = attention.heads;
  const std::int64_t queries = heads.queries * heads.width, keys = heads.keys * heads.width;
  const bool bias = options.biases.query_key_value;
  if (options.one_matrix) {
    attention.project = FusedInTurn{at.linear("qkv_proj", queries + 2 * keys, hidden, bias)};
  } else {
    Projections projections;
    projections.query = at.linear("q_proj", queries, hidden, bias);
    projections.key = at.linear("k_proj", keys, hidden, bias);
    projections.value = at.linear("v_proj", keys, hidden, bias);
    attention.project = std::move(projections);
  }
  attention.output = at.linear("o_proj", hidden, queries, options.biases.output);
}

Attention make_attention(const ArchSpec& spec, const DecoderOptions& options, const Builder& at,
                         std::int64_t layer) {
  const std::int64_t width = spec.head_dim;
  Attention attention;
  attention.heads = {spec.num_heads, spec.num_kv_heads, width};
  add_projections(attention, spec.hidden_size, options, at);
  if (options.norms.heads != HeadNorm::kNone) {
    const bool all = options.norms.heads == HeadNorm::kAllHeads;
    attention.query_norm =
        at.rms_norm("q_norm", all ? spec.num_heads * width : width, options.norms.rms);
    attention.key_norm =
        at.rms_norm("k_norm", all ? spec.num_kv_heads * width : width, options.norms.rms);
  }
  attention.rotation = rotation_of(spec, options, layer);
  const double scale = options.scales.attention;
  attention.spec = {scale > 0 ? scale : 1.0 / std::sqrt(static_cast<double>(width)),
                    options.scales.attention_cap, window_of(options, layer)};
  return attention;
}

Block make_block(const ArchSpec& spec, const DecoderOptions& options,
                 const FeedForwardBuilder& feed_forward, const Builder& at, std::int64_t layer) {
  const auto norm = [&](const char* name) {
    return make_norm(name, spec.hidden_size, options, at);
  };
  const bool after = options.norms.place != NormPlace::kBefore;
  Block block;
  if (options.norms.place != NormPlace::kAfter) block.attention_norm = norm("input_layernorm");
  block.attention = make_attention(spec, options, at.at("self_attn"), layer);
  // The same name stands for another place where there are norms after the branches.
  (after ? block.attention_output_norm : block.feed_forward_norm) =
      norm("post_attention_layernorm");
  if (options.norms.place == NormPlace::kAround) {
    block.feed_forward_norm = norm("pre_feedforward_layernorm");
  }
  if (after) block.feed_forward_output_norm = norm("post_feedforward_layernorm");
  block.feed_forward = feed_forward(spec, at, layer);
  block.branch_scale = options.scales.branch;
  return block;
}

NetworkParts make_decoder(const ArchSpec& spec, const DecoderOptions& options,
                          const FeedForwardBuilder& feed_forward, const Builder& root) {
  NetworkParts parts;
  Backbone& backbone = parts.backbone;
  const Builder at = root.at("model");
  backbone.embedding = at.embedding("embed_tokens", spec.vocab_size, spec.hidden_size);
  backbone.embedding_scale = options.scales.embedding;
  for (std::int64_t i = 0; i < spec.num_layers; ++i) {
    const Builder block = at.at("layers." + std::to_string(i));
    backbone.blocks.push_back(make_block(spec, options, feed_forward, block, i));
  }
  backbone.final_norm = make_norm("norm", spec.hidden_size, options, at);
  backbone.final_scale = options.scales.final_states;
  backbone.rotary_module = at.module("rotary_emb");
  backbone.rotations = {spec.rope};
  if (spec.window_rope) backbone.rotations.push_back(*spec.window_rope);
  parts.head =
      LanguageHead{spec.tied_head ? root.tied("lm_head", backbone.embedding)
                                  : root.linear("lm_head", spec.vocab_size, spec.hidden_size),
                   {options.scales.logit_cap}};
  return parts;
}

}  // namespace

std::function<NetworkParts(const ArchSpec&, const Builder&)> decoder(
    DecoderOptions options, FeedForwardBuilder feed_forward) {
  return [options = std::move(options), feed_forward = std::move(feed_forward)](
             const ArchSpec& spec, const Builder& root) {
    return make_decoder(spec, options, feed_forward, root);
  };
}

FeedForward gated_mlp(std::int64_t hidden, std::int64_t inner, const DecoderOptions& options,
                      const Builder& at) {
  GatedMlp mlp;
  mlp.gate = at.linear("gate_proj", inner, hidden, options.biases.mlp);
  mlp.up = at.linear("up_proj", inner, hidden, options.biases.mlp);
  mlp.down = at.linear("down_proj", hidden, inner, options.biases.mlp);
  mlp.activation = options.activation;
  mlp.activation_module = at.module("act_fn");
  return mlp;
}

std::function<NetworkParts(const ArchSpec&, const Builder&)> decoder(DecoderOptions options) {
  FeedForwardBuilder gated = [options](const ArchSpec& spec, const Builder& block, std::int64_t) {
    return gated_mlp(spec.hidden_size, spec.intermediate_size, options, block.at("mlp"));
  };
  return decoder(std::move(options), std::move(gated));
}

DecoderOptions read_decoder(ConfigReader& config, ArchSpec& spec) {
  spec.base_prefix = "model.";
  spec.default_targets = {"q_proj", "v_proj"};
  spec.buffers = {"rotary_emb.inv_freq"};
  DecoderOptions options;
  options.norms.rms.eps = config.number_or("rms_norm_eps", options.norms.rms.eps);
  if (!(options.norms.rms.eps >= 0)) config.problem("rms_norm_eps is negative");
  spec.dropout.attention_weights = read_dropout(config, "attention_dropout");
  return options;
}

void read_attention_bias(ConfigReader& config, ArchSpec& spec, DecoderOptions& options) {
  spec.bias_keys.push_back({"attention_bias", ".self_attn."});
  const bool bias = config.boolean_or("attention_bias", false);
  options.biases.query_key_value = options.biases.output = bias;
}

void require_activation(ConfigReader& config, const std::string& key,
                        const std::vector<std::string>& allowed) {
  const std::string value = config.text_or(key, allowed.front());
  if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
    config.problem("\"" + key + "\" = \"" + value + "\" is not supported for this family (" +
                   allowed.front() + " is)");
  }
}

void reject_softcaps(ConfigReader& config) {
  for (const char* key : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    if (config.find(key) != nullptr) {
      config.problem("\"" + std::string(key) + "\" is not supported for this family");
    }
  }
}

void require_false(ConfigReader& config, const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    if (config.boolean_or(key, false)) {
      config.problem("\"" + key + "\" = true is not supported for this family");
    }
  }
}

}  // namespace svtune
