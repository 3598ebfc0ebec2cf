// Mixtral: Mistral with a mixture of experts in each block.
#include "models/families.h"
#include "models/families/experts.h"

namespace svtune {
namespace {

constexpr char kMixture[] = "block_sparse_moe";

}  // namespace

void parse_mixtral(ConfigReader& config, ArchSpec& spec) {
  DecoderOptions options = read_decoder(config, spec);
  require_activation(config, "hidden_act", {"silu", "swish"});
  reject_softcaps(config);
  const std::int64_t window = config.integer_or("sliding_window", 0);
  options.layers.windows = read_windows(config, spec, window, [](std::int64_t) { return true; });
  ExpertOptions experts{.count = 8,
                        .per_token = 2,
                        .inner = spec.intermediate_size,
                        .gate = "w1",
                        .up = "w3",
                        .down = "w2"};
  read_expert_counts(config, experts);
  spec.fused_experts = fused_experts(experts);
  spec.fused_experts->running_names.push_back({kMixture, "mlp"});
  spec.build =
      decoder(options, [experts](const ArchSpec& arch, const Builder& block, std::int64_t) {
        return mixture(arch.hidden_size, experts, block.at(kMixture));
      });
}

}  // namespace svtune
