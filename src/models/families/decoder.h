// The decoder that Llama, Mistral, Qwen and Gemma share: RMSNorm before each branch, separate
// projections, a gated feed-forward part. A family says what is special about it as data.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "models/network.h"

namespace svtune {

enum class NormPlace {
  kBefore,  // each branch
  kAfter,   // each branch, before its sum
  kAround,  // both
};

// RMSNorm of query and key before the rotation.
enum class HeadNorm { kNone, kEachHead, kAllHeads };

struct DecoderNorms {
  RmsNormSpec rms;
  std::optional<LayerNormSpec> layer = {};  // instead of `rms`, but for query and key
  NormPlace place = NormPlace::kBefore;
  HeadNorm heads = HeadNorm::kNone;
};

struct DecoderScales {
  double attention = 0.0;  // 0: 1 / sqrt(head_dim)
  double embedding = 1.0;
  double branch = 1.0;         // Block::branch_scale
  double final_states = 1.0;   // Backbone::final_scale
  double attention_cap = 0.0;  // soft caps; 0 = off
  double logit_cap = 0.0;
};

// One entry for each layer.
struct DecoderLayers {
  std::vector<std::int64_t> windows = {};  // tokens; 0 = no window; empty: none anywhere
  std::vector<bool> turns = {};            // whether positions turn it; empty: all
};

struct DecoderBiases {
  bool query_key_value = false;
  bool output = false;  // of attention
  bool mlp = false;
};

struct DecoderOptions {
  DecoderNorms norms;
  DecoderScales scales;
  DecoderLayers layers;
  DecoderBiases biases;
  Activation activation = Activation::kSilu;
  bool one_matrix = false;  // query, key and value in turn
};

// The builder of such a decoder.
std::function<NetworkParts(const ArchSpec&, const Builder&)> decoder(DecoderOptions options);

// A decoder's feed-forward part, made below `block` ("model.layers.3").
using FeedForwardBuilder =
    std::function<FeedForward(const ArchSpec& spec, const Builder& block, std::int64_t layer)>;
// The gated one that decoders have unless they say otherwise, with its own width.
FeedForward gated_mlp(std::int64_t hidden, std::int64_t inner, const DecoderOptions& options,
                      const Builder& at);
// The same decoder with another feed-forward part.
std::function<NetworkParts(const ArchSpec&, const Builder&)> decoder(DecoderOptions options,
                                                                     FeedForwardBuilder inner);

// What all these families have and read alike: names, the norms' epsilon.
DecoderOptions read_decoder(ConfigReader& config, ArchSpec& spec);
// attention_bias: biases of query, key, value and output, and the key that a merge may set.
void read_attention_bias(ConfigReader& config, ArchSpec& spec, DecoderOptions& options);

// Per layer: the window where it applies, else 0. layer_types of transformers >= 5 says where;
// without it, `windowed` does, by the layer's number.
template <class Windowed>
std::vector<std::int64_t> read_windows(ConfigReader& config, ArchSpec& spec, std::int64_t window,
                                       Windowed windowed);

void require_activation(ConfigReader& config, const std::string& key,
                        const std::vector<std::string>& allowed);
void reject_softcaps(ConfigReader& config);
// Keys that would give biases that the family's layers do not have.
void require_false(ConfigReader& config, const std::vector<std::string>& keys);

template <class Windowed>
std::vector<std::int64_t> read_windows(ConfigReader& config, ArchSpec& spec, std::int64_t window,
                                       Windowed windowed) {
  const Json* types = config.find("layer_types");
  const auto layers = static_cast<std::size_t>(spec.num_layers);
  if (types != nullptr && (!types->is_array() || types->size() != layers)) {
    config.problem("\"layer_types\" must list " + std::to_string(layers) + " layers");
    return {};
  }
  std::vector<std::int64_t> windows;
  for (std::size_t i = 0; i < layers; ++i) {
    bool here = windowed(static_cast<std::int64_t>(i));
    if (types != nullptr) {
      here = (*types)[i] == "sliding_attention";
      if (!here && (*types)[i] != "full_attention") {
        config.problem("layer type " + (*types)[i].dump() + " is not supported");
      }
    }
    windows.push_back(here ? window : 0);
  }
  const bool differ = std::ranges::adjacent_find(windows, std::not_equal_to{}) != windows.end();
  if (types == nullptr && differ) spec.numbered_layers = true;
  return windows;
}

}  // namespace svtune
