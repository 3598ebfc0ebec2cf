// Family and tensor name tables; see gguf_family.h.
#include "formats/gguf_family.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/errors.h"

namespace svtune {
namespace {

constexpr std::array<GgufFamily, 5> kFamilies = {{
    {.architecture = "llama",
     .model_type = "llama",
     .class_name = "LlamaForCausalLM",
     .activation = "silu",
     .permutes_qk = true},
    {.architecture = "qwen2",
     .model_type = "qwen2",
     .class_name = "Qwen2ForCausalLM",
     .activation = "silu"},
    {.architecture = "qwen3",
     .model_type = "qwen3",
     .class_name = "Qwen3ForCausalLM",
     .activation = "silu",
     .qk_norms = true},
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
     .sandwich_norms = true},
}};

using NamePair = std::pair<std::string_view, std::string_view>;

constexpr std::array<NamePair, 10> kLayerNames = {{
    {"attn_norm", "input_layernorm"},
    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"},
    {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"},
    {"ffn_gate", "mlp.gate_proj"},
    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
}};

std::optional<std::string_view> layer_name(const GgufFamily& family, std::string_view name) {
  if (name == "ffn_norm") {
    return family.sandwich_norms ? "pre_feedforward_layernorm" : "post_attention_layernorm";
  }
  if (family.sandwich_norms && name == "post_attention_norm") return "post_attention_layernorm";
  if (family.sandwich_norms && name == "post_ffw_norm") return "post_feedforward_layernorm";
  for (const auto& [gguf, hf] : kLayerNames) {
    const bool norm = gguf == "attn_q_norm" || gguf == "attn_k_norm";
    if (gguf == name && (!norm || family.qk_norms)) return hf;
  }
  return std::nullopt;
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
  if (base == "token_embd") return "model.embed_tokens" + suffix;
  if (base == "output_norm") return "model.norm" + suffix;
  if (base == "output") return "lm_head" + suffix;
  if (base == "rope_freqs") return "";
  if (!base.starts_with("blk.")) return std::nullopt;
  const std::size_t end = base.find('.', 4);
  if (end == std::string_view::npos || end == 4) return std::nullopt;
  const std::string_view layer = base.substr(4, end - 4);
  const bool digits =
      std::all_of(layer.begin(), layer.end(), [](char c) { return c >= '0' && c <= '9'; });
  const auto name = layer_name(family, base.substr(end + 1));
  if (!digits || !name) return std::nullopt;
  return "model.layers." + std::string(layer) + "." + std::string(*name) + suffix;
}

std::int64_t stored_row(std::int64_t row, std::int64_t head_size) {
  const std::int64_t within = row % head_size;
  const std::int64_t half = head_size / 2;
  return row - within + (within < half ? 2 * within : 2 * (within - half) + 1);
}

}  // namespace svtune
