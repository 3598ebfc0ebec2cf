// For tests only: writes small random models as transformers would, without any help.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/random.h"
#include "io/model.h"
#include "io/tensor_file.h"
#include "io/transposed_source.h"
#include "libtorch/prelude.h"
#include "models/families.h"
#include "nn/adapter_set.h"

namespace svtune::test {

inline constexpr std::int64_t kTinyVocab = 48;

struct TinyModel {
  std::string family = "llama";  // or another of tiny_config's list
  bool tied = false;
  at::ScalarType dtype = at::kFloat;
  std::uint64_t seed = 1;
  std::int64_t layers = 3;
  std::int64_t hidden_size = 32;
};

inline at::Tensor random_tensor(const std::vector<std::int64_t>& shape, double deviation,
                                std::uint64_t seed) {
  Xoshiro256 random(seed);
  at::Tensor tensor = at::empty(shape, at::TensorOptions().dtype(at::kFloat));
  float* data = tensor.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < tensor.numel(); ++i) {
    data[i] = static_cast<float>(random.normal() * deviation);
  }
  return tensor;
}

inline void erase_keys(Json& json, std::initializer_list<const char*> keys) {
  for (const char* key : keys) json.erase(key);
}

// What a family has beside or instead of the common keys.
inline Json tiny_keys(const std::string& family) {
  const std::map<std::string, const char*> keys = {
      {"gpt2", R"({"n_embd": 32, "n_inner": 56, "n_layer": 3, "n_head": 4, "n_positions": 64,
                   "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5})"},
      {"phi", R"({"hidden_act": "gelu_new", "layer_norm_eps": 1e-5, "qk_layernorm": false,
                  "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0,
                                      "partial_rotary_factor": 0.5}})"},
      {"phi3", R"({"pad_token_id": null, "original_max_position_embeddings": 64,
                   "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0,
                                       "partial_rotary_factor": 0.5}})"},
      {"olmo2", R"({"pad_token_id": null})"},
      {"olmo3", R"({"pad_token_id": null, "sliding_window": 6, "rope_parameters": {
                    "full_attention": {"rope_type": "default", "rope_theta": 5000.0},
                    "sliding_attention": {"rope_type": "default", "rope_theta": 300.0}}})"},
      {"olmoe", R"({"pad_token_id": null, "num_experts": 4, "num_experts_per_tok": 2})"},
      {"qwen2_moe", R"({"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24,
                        "shared_expert_intermediate_size": 20, "mlp_only_layers": [1]})"},
      {"qwen3_moe", R"({"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24,
                        "norm_topk_prob": true, "decoder_sparse_step": 2})"},
      {"gemma3_text", R"({"hidden_activation": "gelu_pytorch_tanh", "sliding_window": 6,
                          "query_pre_attn_scalar": 12, "pad_token_id": null, "rope_local_base_freq": 300.0,
                          "layer_types": ["sliding_attention", "full_attention",
                                          "sliding_attention"]})"},
      {"smollm3", R"({"pad_token_id": null, "no_rope_layers": [1, 0, 1]})"},
      {"granite", R"({"embedding_multiplier": 3.0, "residual_multiplier": 0.5,
                      "attention_multiplier": 0.3, "logits_scaling": 2.0})"},
      {"starcoder2", R"({"hidden_act": "gelu_pytorch_tanh", "norm_epsilon": 1e-5})"}};
  const auto found = keys.find(family);
  return found == keys.end() ? Json::object() : parse_json(found->second, family);
}

inline Json tiny_config(const TinyModel& tiny) {
  Json json = parse_json(R"({"hidden_size": 32, "intermediate_size": 56, "num_attention_heads": 4,
      "num_key_value_heads": 2, "head_dim": 8, "vocab_size": 48, "max_position_embeddings": 64,
      "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "hidden_act": "silu", "bos_token_id": 1,
      "eos_token_id": 2, "attention_bias": false, "mlp_bias": false})",
                         "tiny");
  json["hidden_size"] = tiny.hidden_size;
  json["head_dim"] = tiny.hidden_size / 4;
  if (tiny.hidden_size != 32) json["intermediate_size"] = 2 * tiny.hidden_size;
  json["model_type"] = tiny.family;
  const std::map<std::string, std::string> architectures = {
      {"llama", "LlamaForCausalLM"},        {"qwen2", "Qwen2ForCausalLM"},
      {"qwen3", "Qwen3ForCausalLM"},        {"gemma", "GemmaForCausalLM"},
      {"gpt_neox", "GPTNeoXForCausalLM"},   {"mixtral", "MixtralForCausalLM"},
      {"gpt2", "GPT2LMHeadModel"},          {"phi", "PhiForCausalLM"},
      {"phi3", "Phi3ForCausalLM"},          {"olmo2", "Olmo2ForCausalLM"},
      {"olmo3", "Olmo3ForCausalLM"},        {"olmoe", "OlmoeForCausalLM"},
      {"qwen2_moe", "Qwen2MoeForCausalLM"}, {"smollm3", "SmolLM3ForCausalLM"},
      {"qwen3_moe", "Qwen3MoeForCausalLM"}, {"granite", "GraniteForCausalLM"},
      {"gemma3_text", "Gemma3ForCausalLM"}, {"starcoder2", "Starcoder2ForCausalLM"}};
  json["architectures"] = {architectures.at(tiny.family)};
  json["num_hidden_layers"] = tiny.layers;
  json["tie_word_embeddings"] = tiny.tied || tiny.family == "gemma";
  json["torch_dtype"] = tiny.dtype == at::kBFloat16 ? "bfloat16" : "float32";
  if (tiny.family != "llama") json.erase("mlp_bias");
  if (tiny.family == "mixtral") {
    json["num_local_experts"] = 4;
    json["num_experts_per_tok"] = 2;
    json["sliding_window"] = nullptr;
  }
  if (tiny.family == "gpt_neox") {
    for (const char* key : {"rms_norm_eps", "rope_theta", "num_key_value_heads", "head_dim"}) {
      json.erase(key);
    }
    json.update({{"hidden_act", "gelu"},
                 {"layer_norm_eps", 1e-5},
                 {"rotary_emb_base", 10000},
                 {"rotary_pct", 0.5},
                 {"use_parallel_residual", true},
                 {"attention_bias", true}});
  }
  if (tiny.family == "gpt2") {
    erase_keys(json, {"hidden_size", "intermediate_size", "num_attention_heads", "head_dim",
                      "num_key_value_heads", "num_hidden_layers", "max_position_embeddings",
                      "rms_norm_eps", "rope_theta", "hidden_act"});
  }
  if (tiny.family.starts_with("phi")) json.erase("rope_theta");
  json.update(tiny_keys(tiny.family));
  for (const char* without :
       {"qwen2", "mixtral", "gpt2", "phi", "phi3", "qwen2_moe", "starcoder2"}) {
    if (tiny.family == without) json.erase("attention_bias");
  }
  if (tiny.family == "gemma") {
    json["hidden_act"] = "gelu_pytorch_tanh";
    json["hidden_activation"] = "gelu_pytorch_tanh";
  }
  return json;
}

// The names and shapes come from the network itself: it asks its loader for every tensor.
inline std::vector<NamedTensor> tiny_tensors(const TinyModel& tiny) {
  std::vector<NamedTensor> tensors;
  const Network net(parse_arch(tiny_config(tiny), "tiny"),
                    [&](const std::string& name, const std::vector<std::int64_t>& shape) {
                      const bool norm = shape.size() == 1 && name.ends_with(".weight");
                      at::Tensor tensor =
                          random_tensor(shape, norm ? 0.1 : 0.15, tiny.seed + tensors.size() * 977);
                      if (norm && !tiny.family.starts_with("gemma")) tensor += 1;
                      tensors.push_back({name, tensor.to(tiny.dtype)});
                      return tensors.back().tensor;
                    });
  return tensors;
}

inline void write_tiny_model(const std::filesystem::path& directory, const TinyModel& tiny) {
  std::filesystem::create_directories(directory);
  const Json config = tiny_config(tiny);
  write_file_atomic(directory / "config.json", dump_json(config, 2));
  std::vector<NamedTensor> tensors = tiny_tensors(tiny);
  const ArchSpec spec = parse_arch(config, "tiny");
  for (NamedTensor& each : tensors) each.tensor = turned(spec, each.name, each.tensor);
  write_tensors(directory / "model.safetensors", tensors);
}

// Has config.json say that embedding and head are one, whatever is stored.
inline void call_head_tied(const std::filesystem::path& directory) {
  Json config = read_json_file(directory / "config.json");
  config["tie_word_embeddings"] = true;
  write_file_atomic(directory / "config.json", dump_json(config, 2));
}

inline std::vector<std::int64_t> tiny_tokens() {
  std::vector<std::int64_t> tokens;
  for (std::int64_t i = 0; i < 17; ++i) tokens.push_back((i * 7 + 3) % kTinyVocab);
  return tokens;
}

inline Batch one_document(const std::vector<std::int64_t>& tokens) {
  Batch batch;
  const auto count = static_cast<std::int64_t>(tokens.size());
  const auto options = at::TensorOptions().dtype(at::kLong);
  batch.tokens = at::tensor(tokens, options);
  batch.positions = at::arange(count, options);
  batch.offsets = {0, static_cast<std::int32_t>(count)};
  batch.supervised = at::arange(count - 1, options);
  batch.targets = batch.tokens.narrow(0, 1, count - 1);
  return batch;
}

// [17, vocab] fp32 logits of a fixed text.
inline at::Tensor logits_of(Model& model) {
  const at::NoGradGuard no_grad;
  return model.net->logits(model.net->forward(one_document(tiny_tokens())));
}

// Moves every trained tensor away from its start.
inline void disturb(const AdapterSet& adapters, double deviation = 0.05, std::uint64_t seed = 99) {
  const at::NoGradGuard no_grad;
  for (const Trainable& each : adapters.trainables()) {
    each.tensor.detach().add_(random_tensor(each.tensor.sizes().vec(), deviation, seed++));
  }
  adapters.refresh();
}

inline double max_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

}  // namespace svtune::test
