// OLMo 2 and 3: norms after the branches instead of before, query and key normed over all heads;
// OLMo 3 has a window in three of four layers, with a rotation of their own. OLMoE: norms before
// the branches, a mixture of experts.
#include "models/families.h"
#include "models/families/experts.h"

namespace svtune {
namespace {

DecoderOptions read_olmo(ConfigReader& config, ArchSpec& spec) {
  DecoderOptions options = read_decoder(config, spec);
  options.norms.rms.eps = config.number_or("rms_norm_eps", 1e-5);
  options.norms.heads = HeadNorm::kAllHeads;
  read_attention_bias(config, spec, options);
  require_activation(config, "hidden_act", {"silu", "swish"});
  reject_softcaps(config);
  return options;
}

}  // namespace

void parse_olmo2(ConfigReader& config, ArchSpec& spec) {
  DecoderOptions options = read_olmo(config, spec);
  options.norms.place = NormPlace::kAfter;
  spec.build = decoder(options);
}

void parse_olmo3(ConfigReader& config, ArchSpec& spec) {
  DecoderOptions options = read_olmo(config, spec);
  options.norms.place = NormPlace::kAfter;
  options.layers.windows = read_windows(config, spec, config.integer_or("sliding_window", 4096),
                                        [](std::int64_t layer) { return (layer + 1) % 4 != 0; });
  spec.rope.theta = config.number_or("rope_theta", 500000.0);
  spec.window_rope.emplace().theta = spec.rope.theta;
  spec.build = decoder(options);
}

void parse_olmoe(ConfigReader& config, ArchSpec& spec) {
  const DecoderOptions options = read_olmo(config, spec);
  ExpertOptions experts{.count = 64, .per_token = 8, .inner = spec.intermediate_size};
  read_expert_counts(config, experts);
  experts.sums_to_one = config.boolean_or("norm_topk_prob", false);
  spec.fused_experts = fused_experts(experts);
  spec.build =
      decoder(options, [experts](const ArchSpec& arch, const Builder& block, std::int64_t) {
        return mixture(arch.hidden_size, experts, block.at("mlp"));
      });
}

}  // namespace svtune
