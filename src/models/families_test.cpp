// What config.json may say: keys that change the computation are read or refused by name.
#include "models/families.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <set>

#include "base/errors.h"
#include "libtorch/prelude.h"
#include "models/model_dropout.h"
#include "models/network.h"

namespace svtune {
namespace families_test {

using ::testing::HasSubstr;

Json config_of(const std::string& family) {
  Json config{{"model_type", family},         {"vocab_size", 48},       {"hidden_size", 32},
              {"intermediate_size", 40},      {"num_hidden_layers", 4}, {"num_attention_heads", 4},
              {"max_position_embeddings", 64}};
  if (family == "gpt2") config.update({{"n_embd", 32}, {"n_layer", 4}, {"n_head", 4}});
  return config;
}

std::string error_of(const Json& config) {
  try {
    parse_arch(config, "config.json");
  } catch (const FileError& error) {
    return error.what();
  }
  return "";
}

std::string error_with(const std::string& family, const Json& keys) {
  Json config = config_of(family);
  config.update(keys);
  return error_of(config);
}

TEST(Families, EachReadsItsShortestConfiguration) {
  for (const Family& family : families()) {
    if (!family.encoder_class.empty()) continue;  // their files say which head they have
    EXPECT_EQ(error_of(config_of(family.model_type)), "") << family.model_type;
  }
}

TEST(Families, RefuseByNameWhatTheyDoNotCompute) {
  const std::vector<std::tuple<std::string, Json, std::string>> cases = {
      {"olmo2", {{"clip_qkv", 8.0}}, "\"clip_qkv\" = 8.0 changes the computation"},
      {"llama", {{"num_local_experts", 8}}, "\"num_local_experts\" = 8 changes"},
      {"llama", {{"no_rope_layers", {1, 0, 1, 0}}}, "\"no_rope_layers\""},
      {"llama", {{"residual_multiplier", 0.2}}, "\"residual_multiplier\" = 0.2"},
      {"phi3", {{"lm_head_bias", true}}, "\"lm_head_bias\" = true"},
      {"phi3", {{"attention_bias", true}}, "\"attention_bias\" = true"},
      {"phi3", {{"rope_scaling", {{"type", "yarn"}, {"factor", 2}}}}, "rope type \"yarn\""},
      {"gemma3_text", {{"use_bidirectional_attention", true}}, "\"use_bidirectional_attention\""},
      {"gemma3_text", {{"layer_types", {"full_attention"}}}, "must list 4 layers"},
      {"gpt2", {{"add_cross_attention", true}}, "\"add_cross_attention\" = true"},
      {"gpt2", {{"activation_function", "relu"}}, "\"activation_function\" = \"relu\""},
      {"gpt2", {{"n_embd", 30}}, "n_embd 30 is not a multiple of n_head 4"},
      {"qwen3_moe", {{"mlp_only_layers", {"a"}}}, "\"mlp_only_layers\" must list layers"},
      {"qwen3_moe", {{"num_experts", 2}}, "num_experts_per_tok 8 of 2 experts"},
      {"smollm3", {{"no_rope_layers", {1, 2, 1, 1}}}, "must say 0 or 1 for each of 4 layers"},
      {"starcoder2", {{"hidden_act", "relu"}}, "\"hidden_act\" = \"relu\""},
      {"granite", {{"logits_scaling", 0}}, "must be positive"},
      {"olmo2",
       {{"rope_parameters", {{"full_attention", {{"rope_type", "default"}}}}}},
       "per layer type (\"full_attention\")"},
      {"olmo3",
       {{"rope_parameters", {{"linear_attention", {{"rope_type", "default"}}}}}},
       "per layer type (\"linear_attention\")"},
  };
  for (const auto& [family, keys, error] : cases) {
    EXPECT_THAT(error_with(family, keys), HasSubstr(error)) << family;
  }
}

// The places are those of transformers' modules; a key that is missing means none.
TEST(Families, ReadTheDropoutOfTheirOwnKeys) {
  const std::string branches = "attention output 0.3, feed-forward output 0.3";
  const std::string all = "embedding 0.1, attention weights 0.2, " + branches;
  const std::string hidden =
      "embedding 0.3, attention weights 0.2, attention output 0.3, feed-forward output 0.3";
  const std::vector<std::tuple<std::string, Json, std::string>> cases = {
      {"llama", {{"hidden_dropout_prob", 0.1}}, ""},
      {"llama", {{"attention_dropout", 0.2}}, "attention weights 0.2"},
      {"gpt2", {{"embd_pdrop", 0.1}, {"attn_pdrop", 0.2}, {"resid_pdrop", 0.3}}, all},
      {"phi", {{"embd_pdrop", 0.1}, {"attention_dropout", 0.2}, {"resid_pdrop", 0.3}}, all},
      {"phi3", {{"embd_pdrop", 0.1}, {"resid_pdrop", 0.3}}, branches},
      {"starcoder2",
       {{"embedding_dropout", 0.1}, {"attention_dropout", 0.2}, {"residual_dropout", 0.3}},
       all},
      {"gpt_neox", {{"hidden_dropout", 0.3}, {"attention_dropout", 0.2}}, hidden},
      {"bert",
       {{"architectures", Json::array({"BertForMaskedLM"})},
        {"hidden_dropout_prob", 0.3},
        {"attention_probs_dropout_prob", 0.2},
        {"classifier_dropout", 0.4}},
       hidden},
  };
  for (const auto& [family, keys, places] : cases) {
    Json config = config_of(family);
    config.update(keys);
    EXPECT_EQ(dropout_text(parse_arch(config, "config.json").dropout), places) << family;
  }
  EXPECT_THAT(error_with("gpt2", {{"resid_pdrop", 1.0}}), HasSubstr("\"resid_pdrop\" must be"));
}

TEST(PassDropoutSeeds, DifferForEachPassPlaceBlockAndPart) {
  const PassDropout pass{{}, std::uint64_t{7}}, next{{}, std::uint64_t{8}};
  const std::optional<double> rate = 0.5;
  const std::set<std::uint64_t> seeds{
      pass.at(rate, "here", 0).seed,       pass.at(rate, "here", 1).seed,
      pass.at(rate, "there", 0).seed,      next.at(rate, "here", 0).seed,
      pass.at(rate, "here", 0).at(0).seed, pass.at(rate, "here", 0).at(1).seed};
  EXPECT_EQ(seeds.size(), 6U);
  EXPECT_FALSE(pass.at(std::nullopt, "here").active());
  EXPECT_FALSE(PassDropout{}.at(rate, "here").active());
}

TEST(Families, NameTheTextModelInsideAnother) {
  const std::string error =
      error_of({{"model_type", "gemma3"}, {"text_config", {{"model_type", "gemma3_text"}}}});
  EXPECT_THAT(error, HasSubstr("model_type \"gemma3\" is not supported"));
  EXPECT_THAT(error, HasSubstr("its text model (gemma3_text) must be saved alone"));
}

// Files from before transformers 5 say it beside each other, newer ones by layer type.
TEST(Families, ReadBothFormsOfTheRotationsByLayerType) {
  Json older = config_of("gemma3_text"), newer = older;
  older.update({{"rope_theta", 5e5},
                {"rope_local_base_freq", 3e3},
                {"rope_scaling", {{"rope_type", "linear"}, {"factor", 8.0}}}});
  newer["rope_parameters"] = {
      {"full_attention", {{"rope_type", "linear"}, {"factor", 8.0}, {"rope_theta", 5e5}}},
      {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 3e3}}}};
  for (const Json& config : {older, newer}) {
    const ArchSpec spec = parse_arch(config, "config.json");
    EXPECT_EQ(spec.rope.theta, 5e5);
    EXPECT_EQ(spec.rope.factor, 8.0);
    ASSERT_TRUE(spec.window_rope.has_value());
    EXPECT_EQ(spec.window_rope->theta, 3e3);
    EXPECT_EQ(spec.window_rope->type, RopeType::kDefault);
    EXPECT_EQ(spec.window_rope->width, spec.head_dim);
  }
}

// Of each layer; without weights.
std::vector<std::int64_t> windows_of(const ArchSpec& spec) {
  Network net(spec, [](const std::string&, const std::vector<std::int64_t>& shape) {
    return at::zeros({1}, at::kFloat).expand(shape);
  });
  std::vector<std::int64_t> windows;
  for (const Block& block : net.blocks()) {
    windows.push_back(std::get<Attention>(block.attention).spec.window);
  }
  return windows;
}

TEST(Families, ReadBothFormsOfModernBert) {
  Json older = config_of("modernbert");
  older["architectures"] = Json::array({"ModernBertForMaskedLM"});
  Json newer = older;
  older.update({{"global_attn_every_n_layers", 2},
                {"global_rope_theta", 8e4},
                {"local_rope_theta", 5e3},
                {"position_embedding_type", "absolute"}});
  const std::string full = "full_attention", window = "sliding_attention";
  newer["layer_types"] = {full, window, full, window};
  newer["rope_parameters"] = {{full, {{"rope_type", "default"}, {"rope_theta", 8e4}}},
                              {window, {{"rope_type", "default"}, {"rope_theta", 5e3}}}};
  for (const Json& config : {older, newer}) {
    const ArchSpec spec = parse_arch(config, "config.json");
    EXPECT_EQ(spec.rope.theta, 8e4);
    ASSERT_TRUE(spec.window_rope.has_value());
    EXPECT_EQ(spec.window_rope->theta, 5e3);
    // 128 tokens, half of them to each side, and the token itself.
    EXPECT_THAT(windows_of(spec), testing::ElementsAre(0, 65, 0, 65));
  }
  Json shortest = config_of("modernbert");
  shortest["architectures"] = Json::array({"ModernBertForMaskedLM"});
  const ArchSpec spec = parse_arch(shortest, "config.json");
  EXPECT_EQ(spec.rope.theta, 160000);
  EXPECT_EQ(spec.window_rope->theta, 10000);
  EXPECT_THAT(windows_of(spec), testing::ElementsAre(0, 65, 65, 0));
  EXPECT_TRUE(spec.tied_head);
}

}  // namespace families_test
}  // namespace svtune
