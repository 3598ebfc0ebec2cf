// config.json from GGUF metadata: values that the format hides, and refusal of what could
// change the mathematics.
#include "formats/gguf_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>

#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "formats/gguf_family.h"
#include "formats/gguf_model_test_util.h"

namespace svtune {
namespace gguf_config_test {

using test::GgufBuilder;
using test::raw;
using test::tiny_model;
using ::testing::HasSubstr;

Json config_of(const GgufBuilder& builder) {
  test::TempDirectory directory;
  write_file_atomic(directory / "m.gguf", builder.build());
  return hf_config_from_gguf(GgufFile(directory / "m.gguf"), DType::kBF16);
}

std::string error_of(const GgufBuilder& builder) {
  try {
    config_of(builder);
  } catch (const FileError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(GgufConfig, TinyLlamaHasAllKeys) {
  const Json config = config_of(tiny_model().f32("llama.attention.layer_norm_rms_epsilon", 1e-5F));
  EXPECT_EQ(dump_json(config),
            R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", )"
            R"("torch_dtype": "bfloat16", "vocab_size": 5, "hidden_size": 8, )"
            R"("intermediate_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2, )"
            R"("num_key_value_heads": 1, "head_dim": 4, "hidden_act": "silu", )"
            R"("max_position_embeddings": 32, "rms_norm_eps": 1e-05, "rope_theta": 10000.0, )"
            R"("rope_scaling": null, "tie_word_embeddings": true, "attention_bias": false, )"
            R"("mlp_bias": false, "bos_token_id": 3, "eos_token_id": 4})");
}

TEST(GgufConfig, MissingOrImpossibleValuesNameTheKey) {
  test::TinyGguf options;
  options.skip = "block_count";
  EXPECT_THAT(error_of(tiny_model(options)), HasSubstr("key \"llama.block_count\" is missing"));
  options = {};
  options.head_size = 3;
  EXPECT_THAT(error_of(tiny_model(options)), HasSubstr("head size 3 is impossible"));
  options = {};
  options.skip = "embedding_length";
  EXPECT_THAT(error_of(tiny_model(options).u32("llama.embedding_length", 0)),
              HasSubstr("\"llama.embedding_length\": got 0"));
  options.skip = "token_embd.weight";
  EXPECT_THAT(error_of(tiny_model(options)), HasSubstr("\"token_embd.weight\" is missing"));
}

TEST(GgufConfig, UnknownArchitecturesAndKeysAreRefused) {
  test::TinyGguf options;
  options.architecture = "falcon";
  EXPECT_THAT(error_of(tiny_model(options)), HasSubstr("\"falcon\" is not supported"));
  EXPECT_THAT(error_of(GgufBuilder()), HasSubstr("\"general.architecture\" is missing"));
  EXPECT_THAT(error_of(tiny_model().f32("llama.logit_scale", 2)),
              HasSubstr("key \"llama.logit_scale\": is not supported"));
  EXPECT_THAT(error_of(tiny_model().u32("llama.expert_count", 8)),
              HasSubstr("\"llama.expert_used_count\" is missing"));
  EXPECT_THAT(error_of(tiny_model().u32("llama.expert_count", 8000)), HasSubstr("at most 4096"));
  test::TinyGguf gemma;
  gemma.architecture = "gemma";
  EXPECT_THAT(error_of(tiny_model(gemma).u32("gemma.expert_count", 8)), HasSubstr("mixtures"));
  EXPECT_THAT(error_of(tiny_model().u32("llama.attention.value_length", 8)),
              HasSubstr("differs from the head size"));
  EXPECT_THAT(error_of(tiny_model().string("llama.rope.scaling.type", "longrope")),
              HasSubstr("\"longrope\" is not supported"));
}

TEST(GgufConfig, RotaryScalingIsRecovered) {
  const Json linear = config_of(tiny_model()
                                    .string("llama.rope.scaling.type", "linear")
                                    .f32("llama.rope.scaling.factor", 2.5F));
  EXPECT_EQ(dump_json(linear["rope_scaling"]), R"({"rope_type": "linear", "factor": 2.5})");
  const Json yarn = config_of(tiny_model()
                                  .string("llama.rope.scaling.type", "yarn")
                                  .f32("llama.rope.scaling.factor", 4)
                                  .u32("llama.rope.scaling.original_context_length", 16));
  EXPECT_EQ(yarn["rope_scaling"]["original_max_position_embeddings"], 16);
  // Two frequencies of a head of 4 with theta 10000: wavelengths 6.28 and 628.
  const Json llama3 =
      config_of(tiny_model().tensor("rope_freqs.weight", {2}, 0, raw(1.0F) + raw(1.0F)));
  EXPECT_EQ(llama3["rope_scaling"]["rope_type"], "llama3");
  EXPECT_THAT(error_of(tiny_model().tensor("rope_freqs.weight", {2}, 0, raw(3.0F) + raw(8.0F))),
              HasSubstr("rotary factors of an unknown kind"));
  EXPECT_THAT(error_of(tiny_model()
                           .f32("llama.rope.scaling.attn_factor", 2)
                           .tensor("rope_freqs.weight", {2}, 0, raw(1.0F) + raw(1.0F))),
              HasSubstr("\"llama.rope.scaling.attn_factor\": is not supported"));
}

TEST(GgufConfig, Gpt2HasItsOwnKeys) {
  EXPECT_EQ(dump_json(config_of(test::tiny_gpt2())),
            R"({"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", )"
            R"("torch_dtype": "bfloat16", "vocab_size": 5, "n_embd": 8, "n_inner": 12, )"
            R"("n_layer": 1, "n_head": 2, "n_positions": 32, "activation_function": "gelu_new", )"
            R"("layer_norm_epsilon": 1e-05, "tie_word_embeddings": true, "bos_token_id": 3, )"
            R"("eos_token_id": 4})");
}

TEST(GgufConfig, IncompleteGpt2IsRefused) {
  for (const char* skip :
       {"block_count", "context_length", "embedding_length", "feed_forward_length",
        "attention.head_count", "attention.layer_norm_epsilon"}) {
    EXPECT_THAT(error_of(test::tiny_gpt2(skip)),
                HasSubstr("key \"gpt2." + std::string(skip) + "\""));
  }
  EXPECT_THAT(error_of(test::tiny_gpt2("token_embd.weight")), HasSubstr("is missing"));
  EXPECT_THAT(error_of(test::tiny_gpt2().u32("gpt2.attention.head_count_kv", 1)),
              HasSubstr("got 1, this architecture needs 2"));
  EXPECT_THAT(error_of(test::tiny_gpt2().u32("gpt2.attention.key_length", 8)),
              HasSubstr("got 8, this architecture needs 4"));
}

// Heads of 4, two pairs; 32 positions.
struct LongRope {
  float attention = 1.0955F;  // sqrt(1 + log(32 / 16) / log(16)) is 1.118
  std::string skip = {};      // key or tensor to leave out
  std::string shorter = raw(1.0F) + raw(1.5F);
};

GgufBuilder longrope_model(const LongRope& rope = {}) {
  test::TinyGguf options;
  options.architecture = "phi3";
  GgufBuilder builder = tiny_model(options);
  if (rope.skip != "original_context_length") {
    builder.u32("phi3.rope.scaling.original_context_length", 16);
  }
  if (rope.skip != "attn_factor") {
    builder.f32("phi3.rope.scaling.attn_factor", rope.attention);
  }
  const auto tensor = [&](const std::string& name, const std::string& values) {
    if (rope.skip != name) builder.tensor(name, {values.size() / 4}, 0, values);
  };
  tensor("rope_factors_long.weight", raw(2.0F) + raw(1.1F));
  tensor("rope_factors_short.weight", rope.shorter);
  return builder;
}

TEST(GgufConfig, LongropeOfPhi3IsRead) {
  const Json config = config_of(longrope_model().u32("phi3.attention.sliding_window", 20));
  EXPECT_EQ(dump_json(config["rope_scaling"]),
            R"({"type": "longrope", "short_factor": [1.0, 1.5], "long_factor": [2.0, 1.1], )"
            R"("attention_factor": 1.0955})");
  EXPECT_EQ(config["original_max_position_embeddings"], 16);
  EXPECT_EQ(config["max_position_embeddings"], 32);
  EXPECT_EQ(config["sliding_window"], 20);
  EXPECT_FALSE(config.contains("partial_rotary_factor"));
  // What the lengths give by themselves is not repeated.
  const double usual = std::sqrt(1 + std::log(2.0) / std::log(16.0));
  const Json plain = config_of(longrope_model({.attention = static_cast<float>(usual)}));
  EXPECT_FALSE(plain["rope_scaling"].contains("attention_factor"));
}

TEST(GgufConfig, IncompleteLongropeIsRefused) {
  for (const char* skip : {"rope_factors_long.weight", "rope_factors_short.weight"}) {
    EXPECT_THAT(error_of(longrope_model({.skip = skip})),
                HasSubstr("\"" + std::string(skip) + "\" of the longrope scaling is missing"));
  }
  for (const char* skip : {"original_context_length", "attn_factor"}) {
    EXPECT_THAT(error_of(longrope_model({.skip = skip})),
                HasSubstr("\"phi3.rope.scaling." + std::string(skip) + "\""));
  }
  test::TinyGguf phi3;
  phi3.architecture = "phi3";
  EXPECT_THAT(error_of(tiny_model(phi3).string("phi3.rope.scaling.type", "longrope")),
              HasSubstr("of the longrope scaling is missing"));
  EXPECT_THAT(error_of(longrope_model({.shorter = raw(1.0F)})),
              HasSubstr("\"rope_factors_short.weight\" has shape [1], the metadata asks for [2]"));
  EXPECT_THAT(error_of(longrope_model({.shorter = raw(1.0F) + raw(0.0F)})),
              HasSubstr("need positive numbers"));
  EXPECT_THAT(error_of(longrope_model({.attention = 0})), HasSubstr("need a positive number"));
  EXPECT_THAT(error_of(longrope_model().f32("phi3.rope.scaling.factor", 2)),
              HasSubstr("\"phi3.rope.scaling.factor\": is not supported beside the longrope"));
  EXPECT_THAT(error_of(tiny_model().f32("llama.rope.scaling.attn_factor", 2)),
              HasSubstr("\"llama.rope.scaling.attn_factor\": is not supported"));
  EXPECT_EQ(error_of(tiny_model().f32("llama.rope.scaling.attn_factor", 1)), "accepted");
}

TEST(GgufConfig, Phi3MayTurnAPartOfEachHead) {
  test::TinyGguf phi3;
  phi3.architecture = "phi3";
  const Json config = config_of(tiny_model(phi3).u32("phi3.rope.dimension_count", 2));
  EXPECT_EQ(config["partial_rotary_factor"], 0.5);
  for (const std::uint32_t width : {0U, 3U, 6U}) {
    EXPECT_THAT(error_of(tiny_model(phi3).u32("phi3.rope.dimension_count", width)),
                HasSubstr("need an even number up to the head size 4"));
  }
  EXPECT_THAT(error_of(tiny_model().u32("llama.rope.dimension_count", 2)),
              HasSubstr("differs from the head size"));
}

TEST(GgufConfig, SlidingWindowMakesMistral) {
  const Json config = config_of(tiny_model().u32("llama.attention.sliding_window", 7));
  EXPECT_EQ(config["model_type"], "mistral");
  EXPECT_EQ(config["sliding_window"], 7);
}

TEST(GgufConfig, ExpertsMakeMixtral) {
  const Json config =
      config_of(tiny_model().u32("llama.expert_count", 8).u32("llama.expert_used_count", 2));
  EXPECT_EQ(config["model_type"], "mixtral");
  EXPECT_EQ(config["num_local_experts"], 8);
  EXPECT_EQ(config["num_experts_per_tok"], 2);
  EXPECT_TRUE(config["sliding_window"].is_null());
  EXPECT_FALSE(config.contains("mlp_bias"));
}

TEST(GgufConfig, EndOfTurnTokenJoinsTheStopTokens) {
  test::TempDirectory directory;
  write_file_atomic(directory / "m.gguf",
                    tiny_model().u32("tokenizer.ggml.eot_token_id", 2).build());
  EXPECT_EQ(dump_json(generation_config_from_gguf(GgufFile(directory / "m.gguf"))),
            R"({"bos_token_id": 3, "eos_token_id": [4, 2]})");
}

TEST(GgufFamily, NamesMapAndForeignNamesDoNot) {
  test::TempDirectory directory;
  test::TinyGguf gemma2;
  gemma2.architecture = "gemma2";
  write_file_atomic(directory / "l.gguf", tiny_model().build());
  write_file_atomic(directory / "g.gguf", tiny_model(gemma2).build());
  const GgufFile llama_file(directory / "l.gguf");
  const GgufFile gemma_file(directory / "g.gguf");
  const GgufFamily& llama = gguf_family(llama_file);
  const GgufFamily& gemma = gguf_family(gemma_file);
  EXPECT_EQ(hf_tensor_name(llama, "blk.12.attn_q.bias"), "model.layers.12.self_attn.q_proj.bias");
  EXPECT_EQ(hf_tensor_name(llama, "blk.0.ffn_norm.weight"),
            "model.layers.0.post_attention_layernorm.weight");
  EXPECT_EQ(hf_tensor_name(gemma, "blk.0.ffn_norm.weight"),
            "model.layers.0.pre_feedforward_layernorm.weight");
  EXPECT_EQ(hf_tensor_name(llama, "output.weight"), "lm_head.weight");
  EXPECT_EQ(hf_tensor_name(llama, "rope_freqs.weight"), "");
  EXPECT_EQ(hf_tensor_name(llama, "position_embd.weight"), std::nullopt);
  EXPECT_EQ(hf_tensor_name(llama, "rope_factors_long.weight"), std::nullopt);
  EXPECT_EQ(hf_tensor_name(llama, "blk.1.ffn_gate_inp.weight"),
            "model.layers.1.block_sparse_moe.gate.weight");
  EXPECT_EQ(hf_expert_name(llama, "blk.1.ffn_up_exps.weight", 7),
            "model.layers.1.block_sparse_moe.experts.7.w3.weight");
  EXPECT_EQ(hf_expert_name(llama, "blk.1.attn_q_exps.weight", 0), std::nullopt);
  EXPECT_EQ(hf_expert_name(gemma, "blk.1.ffn_up_exps.weight", 0), std::nullopt);
  for (const char* name :
       {"blk.0.post_ffw_norm.weight", "blk.0.attn_q_norm.weight", "blk..attn_q.weight",
        "blk.x.attn_q.weight", "blk.0.attn_q", "blk.0", "output.scale", "foo.weight"}) {
    EXPECT_EQ(hf_tensor_name(llama, name), std::nullopt) << name;
  }
}

TEST(GgufFamily, StoredRowsInterleaveTheHalvesOfAHead) {
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < 12; ++i) rows.push_back(stored_row(i, 6));
  EXPECT_EQ(rows, (std::vector<std::int64_t>{0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11}));
}

}  // namespace gguf_config_test
}  // namespace svtune
