// DINOv2: scales on both branches, the class token's row and the mean of the others classified,
// images of any size in whole patches.
#include "models/families.h"
#include "models/families/vision.h"

namespace svtune {
namespace {

// Of the largest model: two thirds of the width that its gate takes the place of, in eights.
std::int64_t gated_width(std::int64_t inner) { return (inner * 2 / 3 + 7) / 8 * 8; }

}  // namespace

void parse_dinov2(ConfigReader& config, ArchSpec& spec) {
  VisionOptions options = read_vision(config, spec, "dinov2", 1e-6, 14);
  options.names.attention_norm = "norm1";
  options.names.feed_forward_norm = "norm2";
  options.attention_scale = "layer_scale1.lambda1";
  options.feed_forward_scale = "layer_scale2.lambda1";
  options.pooling = Pooling::kFirstAndMean;
  const double ratio = config.number_or("mlp_ratio", 4);
  if (ratio < 0.01 || ratio > 1000) config.problem("\"mlp_ratio\" must lie between 0.01 and 1000");
  spec.intermediate_size = static_cast<std::int64_t>(static_cast<double>(spec.hidden_size) * ratio);
  options.gated = config.boolean_or("use_swiglu_ffn", false);
  options.names.up = options.gated ? "mlp.weights_in" : "mlp.fc1";
  options.names.down = options.gated ? "mlp.weights_out" : "mlp.fc2";
  if (options.gated) {
    spec.intermediate_size = gated_width(spec.intermediate_size);
    spec.running_names.push_back({"mlp.weights_out", "mlp.down_proj"});
  }
  if (config.integer_or_zero("num_register_tokens", 0) > 0) {
    config.problem("\"num_register_tokens\": register tokens are not supported");
  }
  spec.image->any_size = true;
  spec.build = vision(options);
}

}  // namespace svtune
