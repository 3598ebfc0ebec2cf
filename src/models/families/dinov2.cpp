// DINOv2, with registers or without: scales on both branches, the class token's row and the mean of
// the patches' classified, images of any size in whole patches.
#include "models/families.h"
#include "models/families/vision.h"

namespace svtune {
namespace {

// Of the largest model: two thirds of the width that its gate takes the place of, in eights.
std::int64_t gated_width(std::int64_t inner) { return (inner * 2 / 3 + 7) / 8 * 8; }

VisionOptions read_dinov2(ConfigReader& config, ArchSpec& spec, const std::string& root,
                          std::int64_t patch) {
  VisionOptions options = read_vision(config, spec, root, 1e-6, patch);
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
  // As in transformers, one rate for all blocks.
  const double rate = read_dropout(config, "drop_path_rate");
  if (rate > 0) spec.dropout.branches = rate;
  spec.image->any_size = true;
  return options;
}

}  // namespace

void parse_dinov2(ConfigReader& config, ArchSpec& spec) {
  const VisionOptions options = read_dinov2(config, spec, "dinov2", 14);
  if (config.integer_or_zero("num_register_tokens", 0) > 0) {
    config.problem("\"num_register_tokens\": only dinov2_with_registers has registers");
  }
  spec.build = vision(options);
}

// Registers follow the class token and have no positions; the head reads none of them.
void parse_dinov2_with_registers(ConfigReader& config, ArchSpec& spec) {
  VisionOptions options = read_dinov2(config, spec, "dinov2_with_registers", 16);
  options.tables.registers = "register_tokens";
  spec.image->registers = config.integer_or("num_register_tokens", 4);
  spec.image->antialias = true;
  spec.build = vision(options);
}

}  // namespace svtune
