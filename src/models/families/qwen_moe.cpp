// Qwen 2 and Qwen 3 with a mixture of experts in some or all blocks; in Qwen 2 every token goes to
// one more expert, the shared one.
#include <set>
#include <utility>

#include "models/families.h"
#include "models/families/experts.h"

namespace svtune {
namespace {

struct QwenMoe {
  DecoderOptions options;
  ExpertOptions experts;
  std::int64_t sparse_step = 1;
  std::set<std::int64_t> dense;

  bool is_sparse(std::int64_t layer) const {
    return !dense.contains(layer) && (layer + 1) % sparse_step == 0;
  }
};

void read_sparse_layers(ConfigReader& config, QwenMoe& qwen) {
  qwen.sparse_step = config.integer_or("decoder_sparse_step", 1);
  const Json* dense = config.find("mlp_only_layers");
  if (dense == nullptr) return;
  for (const Json& layer : *dense) {
    if (!dense->is_array() || !layer.is_number_integer()) {
      config.problem("\"mlp_only_layers\" must list layers by their index");
      return;
    }
    qwen.dense.insert(layer.get<std::int64_t>());
  }
}

// `counts`: of experts, and of those that a token goes to, where the file does not say.
QwenMoe read_common(ConfigReader& config, ArchSpec& spec, ExpertOptions counts) {
  QwenMoe qwen{.options = read_decoder(config, spec), .experts = std::move(counts), .dense = {}};
  require_activation(config, "hidden_act", {"silu", "swish"});
  reject_softcaps(config);
  read_expert_counts(config, qwen.experts);
  qwen.experts.sums_to_one = config.boolean_or("norm_topk_prob", false);
  qwen.experts.inner = config.integer_or("moe_intermediate_size", qwen.experts.inner);
  read_sparse_layers(config, qwen);
  spec.fused_experts = fused_experts(qwen.experts);
  spec.numbered_layers = qwen.sparse_step != 1 || !qwen.dense.empty();
  return qwen;
}

std::int64_t read_window(ConfigReader& config) {
  // Without windows transformers writes a size of 0.
  if (!config.boolean_or("use_sliding_window", false)) return 0;
  return config.integer_or("sliding_window", 4096);
}

std::function<NetworkParts(const ArchSpec&, const Builder&)> built(const QwenMoe& qwen) {
  return decoder(
      qwen.options,
      [qwen](const ArchSpec& spec, const Builder& block, std::int64_t layer) -> FeedForward {
        const std::int64_t hidden = spec.hidden_size;
        if (qwen.is_sparse(layer)) return mixture(hidden, qwen.experts, block.at("mlp"));
        return gated_mlp(hidden, spec.intermediate_size, qwen.options, block.at("mlp"));
      });
}

}  // namespace

void parse_qwen2_moe(ConfigReader& config, ArchSpec& spec) {
  QwenMoe qwen = read_common(config, spec, {.count = 60, .per_token = 4, .inner = 1408});
  spec.fused_experts->takes_names = false;
  qwen.experts.shared = config.integer_or("shared_expert_intermediate_size", 5632);
  qwen.options.biases.query_key_value = config.boolean_or("qkv_bias", true);
  const std::int64_t last = config.integer_or_zero("max_window_layers", 28);
  qwen.options.layers.windows =
      read_windows(config, spec, read_window(config),
                   [last](std::int64_t layer) { return layer % 2 == 0 && layer < last; });
  spec.build = built(qwen);
}

void parse_qwen3_moe(ConfigReader& config, ArchSpec& spec) {
  QwenMoe qwen = read_common(config, spec, {.count = 128, .per_token = 8, .inner = 768});
  qwen.options.norms.heads = HeadNorm::kEachHead;
  read_attention_bias(config, spec, qwen.options);
  const std::int64_t window = read_window(config);
  qwen.options.layers.windows =
      std::vector<std::int64_t>(static_cast<std::size_t>(spec.num_layers), window);
  spec.build = built(qwen);
}

}  // namespace svtune
