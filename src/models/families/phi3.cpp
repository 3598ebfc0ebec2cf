// Phi 3 and 4: Llama with one matrix for query, key and value, and one for gate and up; a share of
// each head may turn.
#include "models/families.h"
#include "models/families/decoder.h"
#include "models/rope_config.h"

namespace svtune {
namespace {

FeedForward make_feed_forward(const ArchSpec& spec, const Builder& at) {
  FusedGatedMlp mlp;
  mlp.gate_up = at.linear("gate_up_proj", 2 * spec.intermediate_size, spec.hidden_size);
  mlp.down = at.linear("down_proj", spec.hidden_size, spec.intermediate_size);
  mlp.activation_module = at.module("activation_fn");
  return mlp;
}

// transformers computes "yarn" of this family's files in the way of "longrope".
void refuse_yarn(ConfigReader& config) {
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const Json* section = config.find(key);
    if (section == nullptr || !section->is_object()) continue;
    ConfigReader rope(*section, config.source());
    if (rope.text_or("rope_type", rope.text_or("type", "")) == "yarn") {
      config.problem("rope type \"yarn\" is not supported for this family (longrope is)");
    }
  }
}

}  // namespace

void parse_phi3(ConfigReader& config, ArchSpec& spec) {
  DecoderOptions options = read_decoder(config, spec);
  options.norms.rms.eps = config.number_or("rms_norm_eps", 1e-5);
  options.one_matrix = true;
  require_activation(config, "hidden_act", {"silu", "swish"});
  reject_softcaps(config);
  require_false(config, {"attention_bias", "mlp_bias", "lm_head_bias"});
  refuse_yarn(config);
  options.layers.windows = read_windows(config, spec, config.integer_or("sliding_window", 0),
                                        [](std::int64_t) { return true; });
  spec.rope.width = turned_width(config, spec, "partial_rotary_factor", 1.0);
  spec.max_positions = config.integer_or("max_position_embeddings", 4096);
  spec.default_targets = {"qkv_proj"};
  spec.order_of_its_own = true;  // o_proj first
  spec.dropout.attention_output = read_dropout(config, "resid_pdrop");
  spec.dropout.feed_forward_output = spec.dropout.attention_output;
  spec.build = decoder(options, [](const ArchSpec& arch, const Builder& block, std::int64_t) {
    return make_feed_forward(arch, block.at("mlp"));
  });
}

}  // namespace svtune
