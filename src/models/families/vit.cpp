// ViT: the class token's row alone is classified; positions are those of one size of images.
#include "models/families.h"
#include "models/families/vision.h"

namespace svtune {

void parse_vit(ConfigReader& config, ArchSpec& spec) {
  VisionOptions options = read_vision(config, spec, "vit", 1e-12, 16);
  options.names.attention_norm = "layernorm_before";
  options.names.feed_forward_norm = "layernorm_after";
  spec.dropout.attention_output = spec.dropout.feed_forward_output = spec.dropout.embedding;
  options.names.up = "intermediate.dense";
  options.names.down = "output.dense";
  spec.running_names.push_back({"encoder.layer", "layers"});
  spec.running_names.push_back({"intermediate.dense", "mlp.fc1"});
  spec.running_names.push_back({"output.dense", "mlp.fc2"});
  spec.build = vision(options);
}

}  // namespace svtune
