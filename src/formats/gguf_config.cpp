// Translation of GGUF metadata to Hugging Face configuration keys. Values that the format
// leaves out (attention scale of Gemma-2, Llama-3's rotary scaling) are recovered from the
// model's size and from the rope_freqs tensor.
#include "formats/gguf_config.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/errors.h"
#include "formats/gguf_family.h"
#include "formats/gguf_keys.h"
#include "formats/gguf_rope_scaling.h"

namespace svtune {
namespace {

// Keys "<architecture>.X" that are read here or carry nothing.
constexpr std::array<std::string_view, 25> kKnownKeys = {
    "context_length",
    "embedding_length",
    "block_count",
    "feed_forward_length",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "attention.layer_norm_rms_epsilon",
    "attention.sliding_window",
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scale_linear",
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scaling.attn_factor",
    "rope.scaling.original_context_length",
    "rope.scaling.finetuned",
    "vocab_size",
    "tensor_data_layout",
    "expert_count",
    "expert_used_count",
    "expert_feed_forward_length",
};

// Families whose configuration says whether their attention has biases.
constexpr std::array<std::string_view, 6> kAttentionBias = {"llama", "qwen3",   "qwen3_moe",
                                                            "olmo2", "smollm3", "granite"};

void add_token_ids(const GgufFile& file, Json& json) {
  constexpr std::array<std::pair<const char*, const char*>, 3> kIds = {
      {{"tokenizer.ggml.bos_token_id", "bos_token_id"},
       {"tokenizer.ggml.eos_token_id", "eos_token_id"},
       {"tokenizer.ggml.padding_token_id", "pad_token_id"}}};
  for (const auto& [key, name] : kIds) {
    if (const auto id = file.integer(key)) json[name] = *id;
  }
}

// The 27B models alone scale by hidden/heads; llama.cpp tells them the same way, by their layers.
void add_score_scale(std::int64_t layers_of_27b, Json& json) {
  const bool is_27b = json["num_hidden_layers"] == layers_of_27b;
  json["query_pre_attn_scalar"] = is_27b ? json["hidden_size"].get<std::int64_t>() /
                                               json["num_attention_heads"].get<std::int64_t>()
                                         : json["head_dim"].get<std::int64_t>();
}

void add_gemma2(const GgufKeys& keys, Json& json) {
  add_score_scale(46, json);
  json["attn_logit_softcapping"] = keys.number("attn_logit_softcapping").value_or(50.0);
  json["final_logit_softcapping"] = keys.number("final_logit_softcapping").value_or(30.0);
  json["sliding_window"] = keys.positive_or("attention.sliding_window", 4096);
}

void add_gemma3(const GgufKeys& keys, Json& json) {
  add_score_scale(62, json);
  for (const char* key : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    const auto cap = keys.number(key);
    json[key] = cap ? Json(*cap) : Json(nullptr);
  }
  json["sliding_window"] = keys.positive("attention.sliding_window");
}

void add_family_keys(const GgufFile& file, const GgufFamily& family, const GgufKeys& keys,
                     Json& json) {
  const auto has = [&](const char* name) { return file.find_tensor(name) != nullptr; };
  const std::int64_t window = keys.integer("attention.sliding_window").value_or(0);
  if (family.model_type == "llama" && window > 0) {
    json["model_type"] = "mistral";
    json["architectures"] = {"MistralForCausalLM"};
    json["sliding_window"] = window;
  } else if (std::ranges::count(kAttentionBias, family.model_type) > 0) {
    json["attention_bias"] = has("blk.0.attn_q.bias");
  }
  const auto type = json["model_type"].get<std::string>();
  if (type == "llama" || type == "smollm3" || type == "granite") {
    json["mlp_bias"] = has("blk.0.ffn_gate.bias");
  }
  if (type == "starcoder2") json["use_bias"] = has("blk.0.attn_q.bias");
  if (type == "phi3" || type == "starcoder2") {
    json["sliding_window"] = window > 0 ? Json(window) : Json(nullptr);
  }
  const char* original = "rope.scaling.original_context_length";
  if (type == "phi3" && keys.integer(original)) {
    json["original_max_position_embeddings"] = keys.positive(original);
  }
  if (type == "olmo2" && window > 0) {
    keys.fail("attention.sliding_window", "OLMo 3 is not supported as GGUF");
  }
  if (type == "gemma2") add_gemma2(keys, json);
  if (type == "gemma3_text") add_gemma3(keys, json);
  for (const GgufName& each : family.numbers) {
    if (const auto value = keys.number(each.gguf)) json[std::string(each.hf)] = *value;
  }
  if (family.model_type == "qwen2" || family.model_type == "qwen3") {
    json["use_sliding_window"] = false;
  }
  if (family.norm_plus_one) json["hidden_activation"] = std::string(family.activation);
}

// Mixtral is stored as Llama with experts.
void add_expert_keys(const GgufFamily& family, const GgufKeys& keys, Json& json) {
  constexpr std::int64_t kMostExperts = 4096;
  const bool always = family.model_type == "qwen3_moe";
  if (!always && keys.integer("expert_count").value_or(0) == 0) return;
  if (family.experts == nullptr) {
    keys.fail("expert_count", "mixtures of experts are not supported of this architecture");
  }
  const std::int64_t count = keys.positive("expert_count");
  if (count > kMostExperts) {
    keys.fail("expert_count",
              "got " + std::to_string(count) + ", need at most " + std::to_string(kMostExperts));
  }
  json["num_experts_per_tok"] = keys.positive("expert_used_count");
  if (always) {
    json.update({{"num_experts", count},
                 {"moe_intermediate_size", keys.positive("expert_feed_forward_length")},
                 {"norm_topk_prob", true},
                 {"decoder_sparse_step", 1},
                 {"mlp_only_layers", Json::array()},
                 {"use_sliding_window", false}});
    return;
  }
  json["model_type"] = "mixtral";
  json["architectures"] = {"MixtralForCausalLM"};
  json["num_local_experts"] = count;
  const std::int64_t window = keys.integer("attention.sliding_window").value_or(0);
  json["sliding_window"] = window > 0 ? Json(window) : Json(nullptr);
  json.erase("attention_bias");
  json.erase("mlp_bias");
}

std::int64_t head_size(const GgufKeys& keys, std::int64_t hidden, std::int64_t heads,
                       const GgufFamily& family) {
  auto size = keys.integer("attention.key_length");
  if (!size && family.permutes_qk) size = keys.integer("rope.dimension_count");
  const std::int64_t head_dim = size.value_or(hidden / heads);
  if (head_dim < 2 || head_dim % 2 != 0 || head_dim > 65536) {
    keys.fail("attention.key_length",
              "head size " + std::to_string(head_dim) + " is impossible, need an even number");
  }
  if (keys.integer("attention.value_length").value_or(head_dim) != head_dim) {
    keys.fail("attention.value_length", "differs from the head size " + std::to_string(head_dim) +
                                            ", which is not supported");
  }
  return head_dim;
}

// Elements of a head that turn.
std::int64_t rotary_width(const GgufKeys& keys, std::int64_t head_dim, const GgufFamily& family) {
  const char* key = "rope.dimension_count";
  const std::int64_t width = keys.integer(key).value_or(head_dim);
  if (family.turns_a_part && (width < 2 || width % 2 != 0 || width > head_dim)) {
    keys.fail(key, "got " + std::to_string(width) + ", need an even number up to the head size " +
                       std::to_string(head_dim));
  }
  if (!family.turns_a_part && width != head_dim) {
    keys.fail(
        key, "differs from the head size " + std::to_string(head_dim) + ", which is not supported");
  }
  return width;
}

// The share whose product with the head size, rounded down, is the width again.
double rotary_share(std::int64_t width, std::int64_t head_dim) {
  const auto size = static_cast<double>(head_dim);
  const double share = static_cast<double>(width) / size;
  const bool falls_short = static_cast<std::int64_t>(share * size) < width;
  return falls_short ? std::nextafter(share, 1.0) : share;
}

Json decoder_sizes(const GgufFile& file, const GgufFamily& family, const GgufKeys& keys) {
  const std::int64_t hidden = keys.positive("embedding_length");
  const std::int64_t heads = keys.positive("attention.head_count");
  const std::int64_t head_dim = head_size(keys, hidden, heads, family);
  const GgufRope rope{.theta = keys.number("rope.freq_base").value_or(10000.0),
                      .width = rotary_width(keys, head_dim, family),
                      .positions = keys.positive_or("context_length", 2048)};
  Json json = {
      {"hidden_size", hidden},
      {"intermediate_size", keys.positive("feed_forward_length")},
      {"num_hidden_layers", keys.positive("block_count")},
      {"num_attention_heads", heads},
      {"num_key_value_heads", keys.positive_or("attention.head_count_kv", heads)},
      {"head_dim", head_dim},
      {"hidden_act", std::string(family.activation)},
      {"max_position_embeddings", rope.positions},
      {"rms_norm_eps", keys.number("attention.layer_norm_rms_epsilon").value_or(1e-5)},
      {"rope_theta", rope.theta},
      {"rope_scaling", rope_scaling_from_gguf(file, family, keys, rope)},
  };
  if (rope.width < head_dim) json["partial_rotary_factor"] = rotary_share(rope.width, head_dim);
  return json;
}

// Under names of its own; every head has keys.
Json gpt2_sizes(const GgufFamily& family, const GgufKeys& keys) {
  const std::int64_t hidden = keys.positive("embedding_length");
  const std::int64_t heads = keys.positive("attention.head_count");
  const auto require_equal = [&](const char* key, std::int64_t need) {
    const std::int64_t got = keys.integer(key).value_or(need);
    if (got == need) return;
    keys.fail(key,
              "got " + std::to_string(got) + ", this architecture needs " + std::to_string(need));
  };
  require_equal("attention.head_count_kv", heads);
  require_equal("attention.key_length", hidden / heads);
  require_equal("attention.value_length", hidden / heads);
  return {
      {"n_embd", hidden},
      {"n_inner", keys.positive("feed_forward_length")},
      {"n_layer", keys.positive("block_count")},
      {"n_head", heads},
      {"n_positions", keys.positive("context_length")},
      {"activation_function", std::string(family.activation)},
      {"layer_norm_epsilon", keys.require_number("attention.layer_norm_epsilon")},
  };
}

}  // namespace

Json hf_config_from_gguf(const GgufFile& file, DType dtype) {
  const GgufFamily& family = gguf_family(file);
  const GgufKeys keys(file, family.architecture);
  keys.refuse_unknown(kKnownKeys, family.numbers);
  const GgufTensorInfo* embedding = file.find_tensor("token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2) {
    throw FileError(file.path().string(), "matrix \"token_embd.weight\" is missing");
  }
  Json json = {
      {"architectures", {std::string(family.class_name)}},
      {"model_type", std::string(family.model_type)},
      {"torch_dtype", dtype == DType::kBF16  ? "bfloat16"
                      : dtype == DType::kF16 ? "float16"
                                             : "float32"},
      {"vocab_size", embedding->shape[0]},
  };
  json.update(family.model_type == "gpt2" ? gpt2_sizes(family, keys)
                                          : decoder_sizes(file, family, keys));
  json["tie_word_embeddings"] = file.find_tensor("output.weight") == nullptr;
  add_family_keys(file, family, keys, json);
  add_expert_keys(family, keys, json);
  add_token_ids(file, json);
  return json;
}

Json generation_config_from_gguf(const GgufFile& file) {
  Json json = Json::object();
  add_token_ids(file, json);
  const auto turn = file.integer("tokenizer.ggml.eot_token_id");
  if (turn && json.contains("eos_token_id") && json["eos_token_id"] != *turn) {
    json["eos_token_id"] = {json["eos_token_id"], *turn};
  }
  return json;
}

}  // namespace svtune
