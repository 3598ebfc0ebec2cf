// Family and tensor name tables; see gguf_family.h.
#include "formats/gguf_family.h"

#include <algorithm>
#include <array>

#include "base/errors.h"

namespace svtune {
namespace {

constexpr GgufName kHeadNorms[] = {{"attn_q_norm", "self_attn.q_norm"},
                                   {"attn_k_norm", "self_attn.k_norm"}};
constexpr GgufName kNormsAround[] = {{"ffn_norm", "pre_feedforward_layernorm"},
                                     {"post_attention_norm", "post_attention_layernorm"},
                                     {"post_ffw_norm", "post_feedforward_layernorm"}};
constexpr GgufName kNormsAroundAndOfHeads[] = {{"ffn_norm", "pre_feedforward_layernorm"},
                                               {"post_attention_norm", "post_attention_layernorm"},
                                               {"post_ffw_norm", "post_feedforward_layernorm"},
                                               {"attn_q_norm", "self_attn.q_norm"},
                                               {"attn_k_norm", "self_attn.k_norm"}};
constexpr GgufName kFused[] = {{"attn_qkv", "self_attn.qkv_proj"}, {"ffn_up", "mlp.gate_up_proj"}};
constexpr GgufName kPlainMlp[] = {{"ffn_up", "mlp.c_fc"}, {"ffn_down", "mlp.c_proj"}};

constexpr GgufName kGpt2Modules[] = {{"attn_norm", "ln_1"},          {"attn_qkv", "attn.c_attn"},
                                     {"attn_output", "attn.c_proj"}, {"ffn_norm", "ln_2"},
                                     {"ffn_up", "mlp.c_fc"},         {"ffn_down", "mlp.c_proj"}};
constexpr GgufTrunk kGpt2Trunk{.embedding = "transformer.wte",
                               .norm = "transformer.ln_f",
                               .layers = "transformer.h.",
                               .positions = "transformer.wpe"};

constexpr GgufExperts kMixtralExperts{"block_sparse_moe", "w1", "w3", "w2"};
constexpr GgufExperts kQwenExperts{"mlp", "gate_proj", "up_proj", "down_proj"};

constexpr GgufName kGraniteNumbers[] = {{"embedding_scale", "embedding_multiplier"},
                                        {"residual_scale", "residual_multiplier"},
                                        {"attention.scale", "attention_multiplier"},
                                        {"logit_scale", "logits_scaling"}};
constexpr GgufName kLayerNormNumbers[] = {{"attention.layer_norm_epsilon", "norm_epsilon"}};
constexpr GgufName kGpt2Numbers[] = {{"attention.layer_norm_epsilon", "layer_norm_epsilon"}};
constexpr GgufName kGemma3Numbers[] = {{"rope.freq_base_swa", "rope_local_base_freq"}};

constexpr std::array<GgufFamily, 13> kFamilies = {{
    {.architecture = "llama",
     .model_type = "llama",
     .class_name = "LlamaForCausalLM",
     .activation = "silu",
     .permutes_qk = true,
     .experts = &kMixtralExperts},
    {.architecture = "qwen2",
     .model_type = "qwen2",
     .class_name = "Qwen2ForCausalLM",
     .activation = "silu"},
    {.architecture = "qwen3",
     .model_type = "qwen3",
     .class_name = "Qwen3ForCausalLM",
     .activation = "silu",
     .modules = kHeadNorms},
    {.architecture = "qwen3moe",
     .model_type = "qwen3_moe",
     .class_name = "Qwen3MoeForCausalLM",
     .activation = "silu",
     .modules = kHeadNorms,
     .experts = &kQwenExperts},
    {.architecture = "gemma",
     .model_type = "gemma",
     .class_name = "GemmaForCausalLM",
     .activation = "gelu_pytorch_tanh",
     .norm_plus_one = true},
    {.architecture = "gemma2",
     .model_type = "gemma2",
     .class_name = "Gemma2ForCausalLM",
     .activation = "gelu_pytorch_tanh",
     .norm_plus_one = true,
     .modules = kNormsAround},
    {.architecture = "gemma3",
     .model_type = "gemma3_text",
     .class_name = "Gemma3ForCausalLM",
     .activation = "gelu_pytorch_tanh",
     .norm_plus_one = true,
     .modules = kNormsAroundAndOfHeads,
     .numbers = kGemma3Numbers},
    {.architecture = "phi3",
     .model_type = "phi3",
     .class_name = "Phi3ForCausalLM",
     .activation = "silu",
     .longrope = true,
     .turns_a_part = true,
     .modules = kFused},
    {.architecture = "olmo2",
     .model_type = "olmo2",
     .class_name = "Olmo2ForCausalLM",
     .activation = "silu",
     .modules = kNormsAroundAndOfHeads},
    {.architecture = "smollm3",
     .model_type = "smollm3",
     .class_name = "SmolLM3ForCausalLM",
     .activation = "silu",
     .permutes_qk = true},
    {.architecture = "granite",
     .model_type = "granite",
     .class_name = "GraniteForCausalLM",
     .activation = "silu",
     .permutes_qk = true,
     .numbers = kGraniteNumbers},
    {.architecture = "starcoder2",
     .model_type = "starcoder2",
     .class_name = "Starcoder2ForCausalLM",
     .activation = "gelu_pytorch_tanh",
     .modules = kPlainMlp,
     .numbers = kLayerNormNumbers},
    {.architecture = "gpt2",
     .model_type = "gpt2",
     .class_name = "GPT2LMHeadModel",
     .activation = "gelu_new",
     .conv1d = true,
     .trunk = kGpt2Trunk,
     .modules = kGpt2Modules,
     .numbers = kGpt2Numbers},
}};

constexpr GgufName kLayerNames[] = {
    {"attn_norm", "input_layernorm"}, {"ffn_norm", "post_attention_layernorm"},
    {"attn_q", "self_attn.q_proj"},   {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},   {"attn_output", "self_attn.o_proj"},
    {"ffn_gate", "mlp.gate_proj"},    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
};

std::optional<std::string> layer_name(const GgufFamily& family, std::string_view name) {
  if (family.experts != nullptr && name == "ffn_gate_inp") {
    return std::string(family.experts->module) + ".gate";
  }
  for (const std::span<const GgufName> names :
       {family.modules, std::span<const GgufName>(kLayerNames)}) {
    for (const GgufName& each : names) {
      if (each.gguf == name) return std::string(each.hf);
    }
  }
  return std::nullopt;
}

struct LayerPart {
  std::string layer;      // "model.layers.3."
  std::string_view part;  // "attn_q"
};

// Of "blk.3.attn_q".
std::optional<LayerPart> layer_part(const GgufFamily& family, std::string_view base) {
  if (!base.starts_with("blk.")) return std::nullopt;
  const std::size_t end = base.find('.', 4);
  if (end == std::string_view::npos || end == 4) return std::nullopt;
  const std::string_view layer = base.substr(4, end - 4);
  const bool digits =
      std::all_of(layer.begin(), layer.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits) return std::nullopt;
  return LayerPart{std::string(family.trunk.layers) + std::string(layer) + ".",
                   base.substr(end + 1)};
}

}  // namespace

const GgufFamily& gguf_family(const GgufFile& file) {
  const std::string architecture = file.require_string("general.architecture");
  std::string known;
  for (const GgufFamily& family : kFamilies) {
    if (family.architecture == architecture) return family;
    known += (known.empty() ? "" : ", ") + std::string(family.architecture);
  }
  throw FileError(file.path().string(),
                  "general.architecture \"" + architecture + "\" is not supported",
                  "supported are " + known);
}

std::optional<std::string> hf_tensor_name(const GgufFamily& family, std::string_view gguf_name) {
  const std::size_t dot = gguf_name.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string_view base = gguf_name.substr(0, dot);
  const std::string suffix(gguf_name.substr(dot));
  if (suffix != ".weight" && suffix != ".bias") return std::nullopt;
  const GgufTrunk& trunk = family.trunk;
  if (base == "token_embd") return std::string(trunk.embedding) + suffix;
  if (base == "position_embd" && !trunk.positions.empty()) {
    return std::string(trunk.positions) + suffix;
  }
  if (base == "output_norm") return std::string(trunk.norm) + suffix;
  if (base == "output") return "lm_head" + suffix;
  if (base == "rope_freqs") return "";
  if (family.longrope && (base == "rope_factors_long" || base == "rope_factors_short")) return "";
  const std::optional<LayerPart> found = layer_part(family, base);
  if (!found) return std::nullopt;
  const std::optional<std::string> name = layer_name(family, found->part);
  return name ? std::optional(found->layer + *name + suffix) : std::nullopt;
}

std::optional<std::string> hf_expert_name(const GgufFamily& family, std::string_view gguf_name,
                                          std::int64_t expert) {
  constexpr std::string_view kEnd = "_exps.weight";
  if (family.experts == nullptr || !gguf_name.ends_with(kEnd)) return std::nullopt;
  gguf_name.remove_suffix(kEnd.size());
  const std::optional<LayerPart> found = layer_part(family, gguf_name);
  if (!found) return std::nullopt;
  const GgufExperts& experts = *family.experts;
  const std::string_view matrix = found->part == "ffn_gate"   ? experts.gate
                                  : found->part == "ffn_up"   ? experts.up
                                  : found->part == "ffn_down" ? experts.down
                                                              : std::string_view();
  if (matrix.empty()) return std::nullopt;
  return found->layer + std::string(experts.module) + ".experts." + std::to_string(expert) + "." +
         std::string(matrix) + ".weight";
}

std::int64_t stored_row(std::int64_t row, std::int64_t head_size) {
  const std::int64_t within = row % head_size;
  const std::int64_t half = head_size / 2;
  return row - within + (within < half ? 2 * within : 2 * (within - half) + 1);
}

}  // namespace svtune
