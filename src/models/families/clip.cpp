// CLIP's tower for images: a norm in front of the blocks, none behind them, and the mean of the
// patches' rows classified. Source: Radford et al., arXiv 2103.00020; with a head of labels as
// transformers has it.
#include "base/errors.h"
#include "models/families.h"
#include "models/families/vision.h"

namespace svtune {
namespace {

const Json* given(const Json& config, const char* key) {
  const auto found = config.find(key);
  return found == config.end() || found->is_null() ? nullptr : &*found;
}

}  // namespace

Json clip_image_config(const Json& config, const std::string& source) {
  // transformers' defaults.
  Json flat = {{"hidden_size", 768},         {"intermediate_size", 3072}, {"num_hidden_layers", 12},
               {"num_attention_heads", 12},  {"image_size", 224},         {"patch_size", 32},
               {"hidden_act", "quick_gelu"}, {"layer_norm_eps", 1e-5}};
  // The first is of older files and takes the place of the other; a tower alone has neither.
  const Json* tower = &config;
  for (const char* key : {"vision_config_dict", "vision_config"}) {
    const Json* found = given(config, key);
    if (found == nullptr) continue;
    if (!found->is_object()) throw FileError(source, "\"" + std::string(key) + "\" is no object");
    tower = found;
    break;
  }
  for (const auto& [key, value] : tower->items()) {
    if (!value.is_null()) flat[key] = value;
  }
  // The labels are those of the whole.
  for (const char* key : {"model_type", "architectures", "id2label", "label2id", "num_labels",
                          "problem_type", "tie_word_embeddings"}) {
    flat.erase(key);
    if (const Json* found = given(config, key)) flat[key] = *found;
  }
  return flat;
}

void parse_clip(ConfigReader& config, ArchSpec& spec) {
  VisionOptions options = read_vision(config, spec, "vision_model", 1e-5, 32);
  spec.default_targets = {"q_proj", "v_proj"};
  spec.order_of_its_own = true;  // k_proj, v_proj, q_proj
  spec.bias_keys.clear();
  spec.running_names.clear();
  // The norm is of the row that is compared with texts.
  spec.buffers = {"post_layernorm.weight", "post_layernorm.bias", "embeddings.position_ids"};
  spec.other_networks = {"text_model.", "text_projection.", "visual_projection.", "logit_scale"};
  spec.dropout = {.attention_weights = read_dropout(config, "attention_dropout")};
  options.blocks = "encoder.layers";
  options.tables = {.class_token = "class_embedding",
                    .positions = "position_embedding.weight",
                    .patches = "patch_embedding",
                    .patch_bias = false,
                    .flat = true};
  options.names.query = "self_attn.q_proj";
  options.names.key = "self_attn.k_proj";
  options.names.value = "self_attn.v_proj";
  options.names.attention_output = "self_attn.out_proj";
  options.names.attention_norm = "layer_norm1";
  options.names.feed_forward_norm = "layer_norm2";
  options.names.up = "mlp.fc1";
  options.names.down = "mlp.fc2";
  options.query_key_value_bias = true;
  options.input_norm = "pre_layrnorm";  // so in its files
  options.final_norm.clear();
  options.pooling = Pooling::kMeanOfOthers;
  spec.build = vision(options);
}

}  // namespace svtune
