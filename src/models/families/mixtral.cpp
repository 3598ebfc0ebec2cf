// Mixtral: Mistral with a mixture of experts in each block.
#include "models/families.h"
#include "models/families/decoder.h"

namespace svtune {
namespace {

struct Experts {
  std::int64_t count = 8;
  std::int64_t per_token = 2;
};

FeedForward make_mixture(const ArchSpec& spec, const Experts& experts, const Builder& at) {
  const std::int64_t hidden = spec.hidden_size, inner = spec.intermediate_size;
  Mixture mixture;
  mixture.router = at.linear("gate", experts.count, hidden);
  mixture.experts_per_token = experts.per_token;
  for (std::int64_t i = 0; i < experts.count; ++i) {
    const Builder expert = at.at("experts." + std::to_string(i));
    GatedMlp mlp;
    mlp.gate = expert.linear("w1", inner, hidden);
    mlp.up = expert.linear("w3", inner, hidden);
    mlp.down = expert.linear("w2", hidden, inner);
    mlp.activation_module = expert.module("act_fn");
    mixture.experts.push_back(std::move(mlp));
  }
  return mixture;
}

}  // namespace

void parse_mixtral(ConfigReader& config, ArchSpec& spec) {
  DecoderOptions options = read_decoder(config, spec);
  require_activation(config, "hidden_act", {"silu", "swish"});
  reject_softcaps(config);
  const std::int64_t window = config.integer_or("sliding_window", 0);
  options.windows = read_windows(config, spec, window, [](std::int64_t) { return true; });
  const Experts experts{config.integer_or("num_local_experts", 8),
                        config.integer_or("num_experts_per_tok", 2)};
  if (experts.per_token > experts.count) {
    config.problem("num_experts_per_tok " + std::to_string(experts.per_token) + " of " +
                   std::to_string(experts.count) + " experts");
  }
  spec.build =
      decoder(options, [experts](const ArchSpec& arch, const Builder& block, std::int64_t) {
        return make_mixture(arch, experts, block.at("block_sparse_moe"));
      });
}

}  // namespace svtune
