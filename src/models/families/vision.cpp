#include "models/families/vision.h"

#include <cmath>
#include <utility>

#include "libtorch/prelude.h"

namespace svtune {
namespace {

Attention make_attention(const ArchSpec& spec, const VisionOptions& options, const Builder& at) {
  const std::int64_t hidden = spec.hidden_size;
  const bool bias = options.query_key_value_bias;
  Projections projections;
  projections.query = at.linear(options.names.query, hidden, hidden, bias);
  projections.key = at.linear(options.names.key, hidden, hidden, bias);
  projections.value = at.linear(options.names.value, hidden, hidden, bias);
  Attention attention;
  attention.project = std::move(projections);
  attention.output = at.linear(options.names.attention_output, hidden, hidden, true);
  attention.heads = {spec.num_heads, spec.num_heads, spec.head_dim};
  attention.spec.scale = 1.0 / std::sqrt(static_cast<double>(spec.head_dim));
  attention.spec.causal = false;
  attention.rotation.reset();
  return attention;
}

FeedForward make_feed_forward(const ArchSpec& spec, const VisionOptions& options,
                              const Builder& at) {
  const std::int64_t hidden = spec.hidden_size, inner = spec.intermediate_size;
  if (options.gated) {
    FusedGatedMlp mlp;
    mlp.gate_up = at.linear(options.names.up, 2 * inner, hidden, true);
    mlp.down = at.linear(options.names.down, hidden, inner, true);
    mlp.activation = Activation::kSilu;
    return mlp;
  }
  Mlp mlp;
  mlp.up = at.linear(options.names.up, inner, hidden, true);
  mlp.down = at.linear(options.names.down, hidden, inner, true);
  mlp.activation = options.activation;
  return mlp;
}

Block make_block(const ArchSpec& spec, const VisionOptions& options, const Builder& at) {
  const std::int64_t hidden = spec.hidden_size;
  Block block;
  block.attention_norm = at.layer_norm(options.names.attention_norm, hidden, options.norm);
  block.attention = make_attention(spec, options, at);
  block.feed_forward_norm = at.layer_norm(options.names.feed_forward_norm, hidden, options.norm);
  block.feed_forward = make_feed_forward(spec, options, at);
  if (!options.attention_scale.empty()) {
    block.attention_scale = at.tensor(options.attention_scale, {hidden});
    block.feed_forward_scale = at.tensor(options.feed_forward_scale, {hidden});
  }
  return block;
}

ImageEmbedding make_embedding(const ArchSpec& spec, const VisionOptions& options,
                              const Builder& at) {
  const std::int64_t hidden = spec.hidden_size;
  const ImageInput& input = *spec.image;
  const std::int64_t places = image_tokens(input, input.height, input.width) - input.registers;
  ImageEmbedding images;
  images.input = input;
  const ImageTableNames& names = options.tables;
  using Shape = std::vector<std::int64_t>;
  images.class_token =
      at.tensor(names.class_token, names.flat ? Shape{hidden} : Shape{1, 1, hidden});
  images.positions =
      at.tensor(names.positions, names.flat ? Shape{places, hidden} : Shape{1, places, hidden});
  const Builder patches = at.at(names.patches);
  images.patch_weight = patches.tensor("weight", {hidden, 3, input.patch, input.patch});
  if (names.patch_bias) images.patch_bias = patches.tensor("bias", {hidden});
  if (!names.registers.empty()) {
    images.registers = at.tensor(names.registers, {1, input.registers, hidden});
  }
  return images;
}

NetworkParts make_vision(const ArchSpec& spec, const VisionOptions& options, const Builder& root) {
  const std::int64_t hidden = spec.hidden_size;
  const Builder at = root.at(options.root);
  NetworkParts parts;
  parts.backbone.images = make_embedding(spec, options, at.at("embeddings"));
  if (!options.input_norm.empty()) {
    parts.backbone.embedding_norm = at.layer_norm(options.input_norm, hidden, options.norm);
  }
  for (std::int64_t i = 0; i < spec.num_layers; ++i) {
    const Builder block = at.at(options.blocks + "." + std::to_string(i));
    parts.backbone.blocks.push_back(make_block(spec, options, block));
  }
  if (!options.final_norm.empty()) {
    parts.backbone.final_norm = at.layer_norm(options.final_norm, hidden, options.norm);
  }
  DocumentHead head;
  head.pooling = options.pooling;
  const std::int64_t width = options.pooling == Pooling::kFirstAndMean ? 2 * hidden : hidden;
  head.output = root.linear("classifier", spec.num_labels, width, true);
  parts.head = std::move(head);
  return parts;
}

struct Extent {
  std::int64_t height = 0, width = 0;
};

// One number, or a list of two.
Extent read_extent(ConfigReader& config, const std::string& key, std::int64_t otherwise) {
  const Json* value = config.find(key);
  if (value == nullptr || !value->is_array()) {
    const std::int64_t side = config.integer_or(key, otherwise);
    return {side, side};
  }
  const auto is_side = [](const Json& each) {
    return each.is_number_integer() && each.get<std::int64_t>() > 0;
  };
  if (value->size() == 2 && is_side(value->front()) && is_side(value->back())) {
    return {value->front().get<std::int64_t>(), value->back().get<std::int64_t>()};
  }
  config.problem("\"" + key + "\" must be a number of pixels or a list of two");
  return {otherwise, otherwise};
}

ImageInput read_images(ConfigReader& config, std::int64_t patch) {
  const Extent image = read_extent(config, "image_size", 224);
  const Extent square = read_extent(config, "patch_size", patch);
  if (config.integer_or("num_channels", 3) != 3) {
    config.problem("\"num_channels\" must be 3");
  }
  ImageInput input{image.height, image.width, square.height};
  if (square.height != square.width) {
    config.problem("\"patch_size\" must be square");
  } else if (input.height % input.patch != 0 || input.width % input.patch != 0) {
    config.problem("\"image_size\" " + std::to_string(input.height) + " x " +
                   std::to_string(input.width) + " is not a multiple of \"patch_size\" " +
                   std::to_string(input.patch));
  }
  return input;
}

}  // namespace

std::function<NetworkParts(const ArchSpec&, const Builder&)> vision(VisionOptions options) {
  return [options = std::move(options)](const ArchSpec& spec, const Builder& root) {
    return make_vision(spec, options, root);
  };
}

VisionOptions read_vision(ConfigReader& config, ArchSpec& spec, const std::string& root, double eps,
                          std::int64_t patch) {
  spec.base_prefix = root + ".";
  spec.default_targets = {"query", "value"};
  spec.bias_keys = {{"qkv_bias", "attention.attention."}};
  // The classifier reads neither; a mask is for pretraining.
  spec.buffers = {"embeddings.mask_token", "pooler.dense.weight", "pooler.dense.bias"};
  spec.running_names = {{"attention.attention.query", "attention.q_proj"},
                        {"attention.attention.key", "attention.k_proj"},
                        {"attention.attention.value", "attention.v_proj"},
                        {"attention.output.dense", "attention.o_proj"}};
  spec.tied_head = false;
  spec.rotary = false;
  spec.task = HeadTask::kDocument;
  read_head_class(config, {"ForImageClassification"});
  read_labels(config, spec);
  check_heads(config, spec);
  spec.image = read_images(config, patch);
  spec.max_positions =
      1 + (spec.image->height / spec.image->patch) * (spec.image->width / spec.image->patch);
  VisionOptions options;
  options.root = root;
  options.names.query = "attention.attention.query";
  options.names.key = "attention.attention.key";
  options.names.value = "attention.attention.value";
  options.names.attention_output = "attention.output.dense";
  options.norm.eps = config.number_or("layer_norm_eps", eps);
  options.activation = read_activation(config, "hidden_act");
  options.query_key_value_bias = config.boolean_or("qkv_bias", true);
  spec.dropout = {.embedding = read_dropout(config, "hidden_dropout_prob"),
                  .attention_weights = read_dropout(config, "attention_probs_dropout_prob")};
  return options;
}

}  // namespace svtune
