// What the image families share: patches as tokens, norms before each branch, one linear layer as
// head. A family says what is special about it as data.
#pragma once

#include <string>

#include "base/config_reader.h"
#include "models/families/encoder.h"
#include "models/network.h"

namespace svtune {

// What turns images into rows, below the path of the embeddings.
struct ImageTableNames {
  std::string class_token = "cls_token", positions = "position_embeddings";
  std::string patches = "patch_embeddings.projection";
  std::string registers = {};  // empty: none
  bool patch_bias = true;
  bool flat = false;  // the first two are [hidden] and [places, hidden], else with ones in front
};

struct VisionOptions {
  std::string root;  // "vit"
  std::string blocks = "encoder.layer";
  ImageTableNames tables = {};
  EncoderNames names;                                     // the norms are those before the branches
  std::string input_norm = {}, final_norm = "layernorm";  // empty: none
  LayerNormSpec norm;
  Activation activation = Activation::kGelu;
  bool query_key_value_bias = true;
  bool gated = false;  // the feed-forward part's `up` has the rows of a gate first
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
