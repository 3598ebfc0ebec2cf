#include "models/families/decoder.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "libtorch/prelude.h"

namespace svtune {
namespace {

Attention make_attention(const ArchSpec& spec, const DecoderOptions& options, const Builder& at,
                         std::int64_t window) {
  const std::int64_t hidden = spec.hidden_size, width = spec.head_dim;
  const std::int64_t queries = spec.num_heads * width, keys = spec.num_kv_heads * width;
  const bool bias = options.query_key_value_bias;
  Attention attention;
  Projections projections;
  projections.query = at.linear("q_proj", queries, hidden, bias);
  projections.key = at.linear("k_proj", keys, hidden, bias);
  projections.value = at.linear("v_proj", keys, hidden, bias);
  attention.project = std::move(projections);
  attention.output = at.linear("o_proj", hidden, queries, options.output_bias);
  if (options.query_key_norm) {
    attention.query_norm = at.rms_norm("q_norm", width, options.norm);
    attention.key_norm = at.rms_norm("k_norm", width, options.norm);
  }
  attention.heads = {spec.num_heads, spec.num_kv_heads, width};
  const double scale = options.attention_scale;
  attention.spec = {scale > 0 ? scale : 1.0 / std::sqrt(static_cast<double>(width)),
                    options.attention_softcap, window};
  return attention;
}

FeedForward make_gated_mlp(const ArchSpec& spec, const DecoderOptions& options, const Builder& at) {
  const std::int64_t hidden = spec.hidden_size, inner = spec.intermediate_size;
  GatedMlp mlp;
  mlp.gate = at.linear("gate_proj", inner, hidden, options.mlp_bias);
  mlp.up = at.linear("up_proj", inner, hidden, options.mlp_bias);
  mlp.down = at.linear("down_proj", hidden, inner, options.mlp_bias);
  mlp.activation = options.activation;
  mlp.activation_module = at.module("act_fn");
  return mlp;
}

Block make_block(const ArchSpec& spec, const DecoderOptions& options,
                 const FeedForwardBuilder& feed_forward, const Builder& at, std::int64_t layer) {
  const std::int64_t hidden = spec.hidden_size;
  const auto norm = [&](const char* name) { return at.rms_norm(name, hidden, options.norm); };
  const bool twice = options.output_norms;
  const auto index = static_cast<std::size_t>(layer);
  Block block;
  block.attention_norm = norm("input_layernorm");
  block.attention = make_attention(spec, options, at.at("self_attn"),
                                   options.windows.empty() ? 0 : options.windows[index]);
  // The same name stands for another place where there are norms after the branches.
  (twice ? block.attention_output_norm : block.feed_forward_norm) =
      norm("post_attention_layernorm");
  if (twice) {
    block.feed_forward_norm = norm("pre_feedforward_layernorm");
    block.feed_forward_output_norm = norm("post_feedforward_layernorm");
  }
  block.feed_forward = feed_forward(spec, at, layer);
  return block;
}

NetworkParts make_decoder(const ArchSpec& spec, const DecoderOptions& options,
                          const FeedForwardBuilder& feed_forward, const Builder& root) {
  NetworkParts parts;
  Backbone& backbone = parts.backbone;
  const Builder at = root.at("model");
  backbone.embedding = at.embedding("embed_tokens", spec.vocab_size, spec.hidden_size);
  backbone.embedding_scale = options.embedding_scale;
  for (std::int64_t i = 0; i < spec.num_layers; ++i) {
    const Builder block = at.at("layers." + std::to_string(i));
    backbone.blocks.push_back(make_block(spec, options, feed_forward, block, i));
  }
  backbone.final_norm = at.rms_norm("norm", spec.hidden_size, options.norm);
  backbone.rotary_module = at.module("rotary_emb");
  backbone.rope = spec.rope;
  parts.head =
      LanguageHead{spec.tied_head ? root.tied("lm_head", backbone.embedding)
                                  : root.linear("lm_head", spec.vocab_size, spec.hidden_size),
                   {options.logit_softcap}};
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

std::function<NetworkParts(const ArchSpec&, const Builder&)> decoder(DecoderOptions options) {
  FeedForwardBuilder gated = [options](const ArchSpec& spec, const Builder& block, std::int64_t) {
    return make_gated_mlp(spec, options, block.at("mlp"));
  };
  return decoder(std::move(options), std::move(gated));
}

DecoderOptions read_decoder(ConfigReader& config, ArchSpec& spec) {
  spec.base_prefix = "model.";
  spec.default_targets = {"q_proj", "v_proj"};
  spec.buffers = {"rotary_emb.inv_freq"};
  DecoderOptions options;
  options.norm.eps = config.number_or("rms_norm_eps", options.norm.eps);
  if (!(options.norm.eps >= 0)) config.problem("rms_norm_eps is negative");
  return options;
}

void read_attention_bias(ConfigReader& config, ArchSpec& spec, DecoderOptions& options) {
  spec.bias_keys.push_back({"attention_bias", ".self_attn."});
  options.query_key_value_bias = options.output_bias = config.boolean_or("attention_bias", false);
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

}  // namespace svtune
