// What the image families share: patches as tokens, norms before each branch, one linear layer as
// head. A family says what is special about it as data.
#pragma once

#include <string>

#include "base/config_reader.h"
#include "models/families/encoder.h"
#include "models/network.h"

namespace svtune {

struct VisionOptions {
  std::string root;    // "vit"
  EncoderNames names;  // the norms are those before the branches
  LayerNormSpec norm;
  Activation activation = Activation::kGelu;
  bool query_key_value_bias = true;
  bool gated = false;          // the feed-forward part's `up` has the rows of a gate first
  std::string registers = {};  // name of their tensor, below that of the embeddings; empty: none
  std::string attention_scale = {}, feed_forward_scale = {};  // of the branches; empty: none
  Pooling pooling = Pooling::kFirst;
};

// The builder of such a network.
std::function<NetworkParts(const ArchSpec&, const Builder&)> vision(VisionOptions options);

// Reads what image families have alike: images and patches, labels, norms, activation, biases.
// `eps` and `patch` stand where config.json does not say.
VisionOptions read_vision(ConfigReader& config, ArchSpec& spec, const std::string& root, double eps,
                          std::int64_t patch);

}  // namespace svtune
