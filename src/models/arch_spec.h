// Plain data that describes a decoder: everything the forward pass needs to know about a
// family, and nothing about how it is computed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nn/ops/rowwise.h"

namespace svtune {

enum class RopeType { kDefault, kLinear, kLlama3 };

// Rotary embedding: f_i = theta^(-2i/head_dim), then scaled by type.
struct RopeSpec {
  RopeType type = RopeType::kDefault;
  double theta = 10000.0;
  double factor = 1.0;                   // kLinear, kLlama3
  double low_freq_factor = 1.0;          // kLlama3
  double high_freq_factor = 4.0;         // kLlama3
  double original_max_positions = 8192;  // tokens; kLlama3
};

struct ArchSpec {
  std::string family;  // model_type of config.json
  std::int64_t vocab_size = 0;
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t num_layers = 0;
  std::int64_t num_heads = 0;
  std::int64_t num_kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t max_positions = 0;  // tokens

  RmsNormSpec norm;
  bool sandwich_norms = false;  // Gemma 2: norms after attention and after the MLP as well
  bool query_key_norm = false;  // Qwen 3: RMSNorm over head_dim before the rotation
  bool query_key_value_bias = false;
  bool output_bias = false;
  bool mlp_bias = false;
  // The family's config.json has attention_bias (for q, k, v and o) and mlp_bias.
  bool optional_attention_bias = false, optional_mlp_bias = false;
  Activation activation = Activation::kSilu;

  double attention_scale = 0.0;
  double attention_softcap = 0.0;     // 0 = off
  double logit_softcap = 0.0;         // 0 = off
  std::vector<std::int64_t> windows;  // per layer, tokens; 0 = no window
  bool scale_embedding = false;       // Gemma: sqrt(hidden_size), rounded to the weights' dtype
  bool tied_head = false;
  RopeSpec rope;
};

}  // namespace svtune
