// What is wrong with a model's weights is named with the file that holds them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/errors.h"
#include "base/files.h"
#include "base/oracle_test_util.h"
#include "formats/checkpoint_writer.h"
#include "io/model.h"
#include "io/tiny_model_test_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace load_model_test {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kConfig = R"({"model_type": "llama", "hidden_size": 8, "vocab_size": 5,
  "intermediate_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2,
  "num_key_value_heads": 1, "rms_norm_eps": 1e-5, "max_position_embeddings": 32,
  "tie_word_embeddings": true})";

std::vector<TensorSpec> tiny_specs() {
  const std::string layer = "model.layers.0.";
  return {{"model.embed_tokens.weight", DType::kF32, {5, 8}},
          {layer + "input_layernorm.weight", DType::kF32, {8}},
          {layer + "self_attn.q_proj.weight", DType::kF32, {8, 8}},
          {layer + "self_attn.k_proj.weight", DType::kF32, {4, 8}},
          {layer + "self_attn.v_proj.weight", DType::kF32, {4, 8}},
          {layer + "self_attn.o_proj.weight", DType::kF32, {8, 8}},
          {layer + "post_attention_layernorm.weight", DType::kF32, {8}},
          {layer + "mlp.gate_proj.weight", DType::kF32, {12, 8}},
          {layer + "mlp.up_proj.weight", DType::kF32, {12, 8}},
          {layer + "mlp.down_proj.weight", DType::kF32, {8, 12}},
          {"model.norm.weight", DType::kF32, {8}}};
}

// Zeros under these names, in shards of at most so many bytes.
void write_model(const std::filesystem::path& directory, const std::vector<TensorSpec>& specs,
                 std::uint64_t shard_bytes = kDefaultShardBytes) {
  write_file_atomic(directory / "config.json", kConfig);
  CheckpointWriter writer(directory, specs, shard_bytes);
  for (const TensorSpec& spec : writer.order()) {
    std::size_t bytes = 4;
    for (const std::int64_t size : spec.shape) bytes *= static_cast<std::size_t>(size);
    writer.write(spec.name, std::vector<std::byte>(bytes));
  }
  writer.commit();
}

std::string error_of(const std::filesystem::path& directory) {
  try {
    load_model(directory);
  } catch (const FileError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(LoadModel, NamesTheOnlyFile) {
  const test::TempDirectory directory;
  std::vector<TensorSpec> specs = tiny_specs();
  write_model(directory.path(), specs);
  EXPECT_EQ(error_of(directory.path()), "accepted");
  specs.pop_back();
  specs[2].shape = {8, 7};
  write_model(directory.path(), specs);
  EXPECT_THAT(
      error_of(directory.path()),
      AllOf(HasSubstr("model.safetensors: tensor model.layers.0.self_attn.q_proj.weight has "
                      "shape [8, 7], need [8, 8]"),
            HasSubstr("tensor model.norm.weight is missing"), Not(HasSubstr("("))));
}

TEST(LoadModel, NamesTheShardOfAMisshapenTensorAndTheIndexOfAMissingOne) {
  const test::TempDirectory directory;
  std::vector<TensorSpec> specs = tiny_specs();
  specs.pop_back();
  specs[9].shape = {8, 11};
  write_model(directory.path(), specs, 400);
  const std::string error = error_of(directory.path());
  EXPECT_THAT(error,
              HasSubstr(".safetensors: tensor model.layers.0.mlp.down_proj.weight has shape"));
  EXPECT_THAT(error, HasSubstr("/model-0000"));
  EXPECT_THAT(error,
              EndsWith("tensor model.norm.weight is missing (model.safetensors.index.json)"));
}

TEST(LoadModel, AStoredHeadIsUsedWhereItDiffersThoughConfigCallsItTied) {
  const test::TempDirectory directory;
  test::write_tiny_model(directory.path(), {});
  Model untied = load_model(directory.path());
  test::call_head_tied(directory.path());
  Model called = load_model(directory.path());
  EXPECT_FALSE(called.net->head_is_tied());
  EXPECT_TRUE(test::logits_of(called).equal(test::logits_of(untied)));
}

TEST(LoadModel, AStoredCopyOfTheEmbeddingIsATiedHead) {
  const test::TempDirectory directory;
  const test::TinyModel tiny{.tied = true};
  test::write_tiny_model(directory.path(), tiny);
  Model tied = load_model(directory.path());
  const at::Tensor wanted = test::logits_of(tied);
  std::vector<NamedTensor> tensors = test::tiny_tensors(tiny);
  const at::Tensor embedding = tied.net->embedding().weight().clone();
  tensors.push_back({"lm_head.weight", embedding});
  write_tensors(directory.path() / "model.safetensors", tensors);
  Model twice = load_model(directory.path());
  EXPECT_TRUE(twice.net->head_is_tied());
  EXPECT_TRUE(test::logits_of(twice).equal(wanted));
}

class AddedWords : public ::testing::TestWithParam<const char*> {};

TEST_P(AddedWords, AreTheMeanOfTheStoredOnes) {
  const test::TempDirectory directory;
  test::write_tiny_model(directory.path(), {.family = GetParam(), .dtype = at::kBFloat16});
  Model stored = load_model(directory.path(), {at::kFloat});
  Model grown = load_model(directory.path(), {at::kFloat, false, test::kTinyVocab + 2});
  EXPECT_EQ(stored_words(directory.path()).count, test::kTinyVocab);
  EXPECT_EQ(grown.spec().vocab_size, test::kTinyVocab + 2);
  EXPECT_EQ(grown.added_words, 2);
  const auto check = [](const at::Tensor& more, const at::Tensor& own) {
    EXPECT_TRUE(more.narrow(0, 0, own.size(0)).equal(own));
    const at::Tensor mean = own.to(at::kDouble).mean(0).to(at::kBFloat16).to(at::kFloat);
    EXPECT_TRUE(more[own.size(0)].equal(mean) && more[own.size(0) + 1].equal(mean));
  };
  check(grown.net->embedding().weight(), stored.net->embedding().weight());
  check(grown.net->head().base().dense(), stored.net->head().base().dense());
  const at::Tensor bias = stored.net->head().bias();
  if (bias.defined()) check(grown.net->head().bias(), bias);

  Model cut = load_model(directory.path(), {at::kFloat, false, 40});
  const at::Tensor all = stored.net->embedding().weight();
  EXPECT_TRUE(cut.net->embedding().weight().equal(all.narrow(0, 0, 40)));
  EXPECT_EQ(cut.added_words, 0);
}

// The head of the second has a bias.
INSTANTIATE_TEST_SUITE_P(Families, AddedWords, ::testing::Values("llama", "phi"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace load_model_test
}  // namespace svtune
