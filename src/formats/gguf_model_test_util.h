// For tests and nothing else: a complete llama model of one layer as a GGUF file.
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
  builder.string("tokenizer.ggml.model", "gpt2");
  builder.strings("tokenizer.ggml.tokens", {"a", "b", "ab", "<s>", "</s>"});
  builder.array<std::int32_t>("tokenizer.ggml.token_type", 5, {1, 1, 1, 3, 3});
  builder.strings("tokenizer.ggml.merges", {"a b"});
  builder.u32("tokenizer.ggml.bos_token_id", 3).u32("tokenizer.ggml.eos_token_id", 4);
  const auto tensor = [&](const std::string& name, std::uint64_t rows, std::uint64_t columns) {
    if (name == options.skip) return;
    const std::uint32_t type = rows == 1 ? 0 : options.type;
    std::string data;
    for (std::uint64_t i = 0; i < rows * columns; ++i) {
      const auto value = static_cast<float>(i / columns);
      data += type == 0 ? raw(value) : type == 1 ? raw(f32_to_f16(value)) : raw(f32_to_bf16(value));
    }
    const std::vector<std::uint64_t> matrix{columns, rows};
    builder.tensor(name, rows == 1 ? std::vector<std::uint64_t>{columns} : matrix, type, data);
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

}  // namespace svtune::test
