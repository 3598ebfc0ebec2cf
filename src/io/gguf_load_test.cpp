// GGUF files whose tensors do not fit the network that their metadata describes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/oracle_test_util.h"
#include "formats/gguf_convert.h"
#include "formats/gguf_model_test_util.h"
#include "io/base_tensors.h"
#include "io/declared_tensors.h"
#include "io/model.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace gguf_load_test {

using ::testing::HasSubstr;

std::string text_of(const FileError& error) {
  return std::string(error.what()) + " | " + error.hint();
}

// What loading says; conversion must say the same and leave nothing behind.
std::string load_error(const test::GgufBuilder& builder) {
  test::TempDirectory directory;
  const auto gguf = directory / "m.gguf";
  write_file_atomic(gguf, builder.build());
  GgufConvertOptions options;
  options.expected = [&](const Json& config) { return declared_tensors(config, gguf.string()); };
  std::string converted = "accepted", loaded = "accepted";
  try {
    convert_gguf(gguf, directory / "out", options);
  } catch (const FileError& error) {
    converted = text_of(error);
    EXPECT_FALSE(std::filesystem::exists(directory / "out"));
  }
  try {
    load_model(gguf);
  } catch (const FileError& error) {
    loaded = text_of(error);
  }
  EXPECT_EQ(loaded, converted);
  return loaded;
}

TEST(LoadGguf, TensorsThatDoNotFitAreListed) {
  EXPECT_EQ(load_error(test::tiny_model()), "accepted");
  test::TinyGguf options;
  options.skip = "blk.0.ffn_up.weight";
  EXPECT_THAT(load_error(test::tiny_model(options)),
              HasSubstr("tensor for \"model.layers.0.mlp.up_proj.weight\" is missing"));
  EXPECT_THAT(load_error(test::tiny_model().tensor("blk.7.attn_norm.weight", {8}, 0,
                                                   std::string(32, '\0'))),
              HasSubstr("\"blk.7.attn_norm.weight\" does not belong to this model"));
  EXPECT_THAT(
      load_error(test::tiny_model().tensor("output.weight", {8, 3}, 0, std::string(96, '\0'))),
      HasSubstr("shape [3, 8], the metadata asks for [5, 8]"));
}

TEST(LoadGguf, Gpt2WithoutATensorIsRefused) {
  EXPECT_EQ(load_error(test::tiny_gpt2()), "accepted");
  for (const auto& [skip, name] : std::vector<std::pair<std::string, std::string>>{
           {"position_embd.weight", "transformer.wpe.weight"},
           {"output_norm.bias", "transformer.ln_f.bias"},
           {"blk.0.attn_qkv.bias", "transformer.h.0.attn.c_attn.bias"},
           {"blk.0.ffn_down.weight", "transformer.h.0.mlp.c_proj.weight"}}) {
    EXPECT_THAT(load_error(test::tiny_gpt2(skip)),
                HasSubstr("tensor for \"" + name + "\" is missing"));
  }
}

TEST(LoadGguf, Gpt2IsTheSameNetworkFromItsConvertedDirectory) {
  test::TempDirectory directory;
  const auto gguf = directory / "m.gguf";
  write_file_atomic(gguf, test::tiny_gpt2().build());
  convert_gguf(gguf, directory / "out");
  const Model stored = load_model(gguf), converted = load_model(directory / "out");
  const std::vector<Linear*> layers = stored.net->linears();
  ASSERT_FALSE(layers.empty());
  for (const Linear* layer : layers) {
    const std::string name = layer->name() + ".weight";
    EXPECT_TRUE(
        at::equal(base_tensor(stored, name, at::kFloat), base_tensor(converted, name, at::kFloat)))
        << name;
  }
}

}  // namespace gguf_load_test
}  // namespace svtune
