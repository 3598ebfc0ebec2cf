// For tests and nothing else: complete models of one layer as GGUF files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formats/float_convert.h"
#include "formats/gguf_test_util.h"

namespace svtune::test {

struct TinyGguf {
  std::string architecture = "llama";
  std::string skip = {};        // tensor or key to leave out
  std::uint32_t head_size = 4;  // heads: 2, hidden 8
  std::uint32_t type = 0;       // of the matrices: 0 F32, 1 F16, 30 BF16
};

// Row r holds the value r; one row is a vector.
inline void add_rows(GgufBuilder& builder, const std::string& name, std::uint64_t rows,
                     std::uint64_t columns, std::uint32_t matrix_type = 0) {
  const std::uint32_t type = rows == 1 ? 0 : matrix_type;
  std::string data;
  for (std::uint64_t i = 0; i < rows * columns; ++i) {
    const auto value = static_cast<float>(i / columns);
    data += type == 0 ? raw(value) : type == 1 ? raw(f32_to_f16(value)) : raw(f32_to_bf16(value));
  }
  const std::vector<std::uint64_t> matrix{columns, rows};
  builder.tensor(name, rows == 1 ? std::vector<std::uint64_t>{columns} : matrix, type, data);
}

inline void add_tiny_vocabulary(GgufBuilder& builder) {
  builder.string("tokenizer.ggml.model", "gpt2");
  builder.strings("tokenizer.ggml.tokens", {"a", "b", "ab", "<s>", "</s>"});
  builder.array<std::int32_t>("tokenizer.ggml.token_type", 5, {1, 1, 1, 3, 3});
  builder.strings("tokenizer.ggml.merges", {"a b"});
  builder.u32("tokenizer.ggml.bos_token_id", 3).u32("tokenizer.ggml.eos_token_id", 4);
}

// Hidden 8, two heads of 4, one layer, five tokens. Row r of every matrix holds the value r.
inline GgufBuilder tiny_model(const TinyGguf& options = {}) {
  GgufBuilder builder;
  const auto key = [&](const char* name, std::uint32_t value) {
    if (options.skip != name) builder.u32(options.architecture + "." + name, value);
  };
  builder.string("general.architecture", options.architecture);
  key("context_length", 32);
  key("embedding_length", 8);
  key("block_count", 1);
  key("feed_forward_length", 12);
  key("attention.head_count", 2);
  key("attention.head_count_kv", 1);
  key("attention.key_length", options.head_size);
  add_tiny_vocabulary(builder);
  const auto tensor = [&](const std::string& name, std::uint64_t rows, std::uint64_t columns) {
    if (name != options.skip) add_rows(builder, name, rows, columns, options.type);
  };
  tensor("token_embd.weight", 5, 8);
  tensor("output_norm.weight", 1, 8);
  tensor("blk.0.attn_norm.weight", 1, 8);
  tensor("blk.0.ffn_norm.weight", 1, 8);
  tensor("blk.0.attn_q.weight", 8, 8);
  tensor("blk.0.attn_k.weight", 4, 8);
  tensor("blk.0.attn_v.weight", 4, 8);
  tensor("blk.0.attn_output.weight", 8, 8);
  tensor("blk.0.ffn_gate.weight", 12, 8);
  tensor("blk.0.ffn_up.weight", 12, 8);
  tensor("blk.0.ffn_down.weight", 8, 12);
  return builder;
}

// GPT-2 of the same sizes as llama.cpp's converter writes it; `skip` as in TinyGguf.
inline GgufBuilder tiny_gpt2(std::string_view skip = {}) {
  GgufBuilder builder;
  builder.string("general.architecture", "gpt2");
  const auto key = [&](const std::string& name, std::uint32_t value) {
    if (name != skip) builder.u32("gpt2." + name, value);
  };
  key("block_count", 1);
  key("context_length", 32);
  key("embedding_length", 8);
  key("feed_forward_length", 12);
  key("attention.head_count", 2);
  const std::string epsilon = "attention.layer_norm_epsilon";
  if (skip != epsilon) builder.f32("gpt2." + epsilon, 1e-5F);
  add_tiny_vocabulary(builder);
  const auto tensor = [&](const std::string& name, std::uint64_t rows, std::uint64_t columns) {
    if (name != skip) add_rows(builder, name, rows, columns);
  };
  const auto layer = [&](const std::string& name, std::uint64_t rows, std::uint64_t columns) {
    tensor("blk.0." + name + ".weight", rows, columns);
    tensor("blk.0." + name + ".bias", 1, rows == 1 ? columns : rows);
  };
  tensor("token_embd.weight", 5, 8);
  tensor("position_embd.weight", 32, 8);
  tensor("output_norm.weight", 1, 8);
  tensor("output_norm.bias", 1, 8);
  layer("attn_norm", 1, 8);
  layer("attn_qkv", 24, 8);
  layer("attn_output", 8, 8);
  layer("ffn_norm", 1, 8);
  layer("ffn_up", 12, 8);
  layer("ffn_down", 8, 12);
  return builder;
}

}  // namespace svtune::test
