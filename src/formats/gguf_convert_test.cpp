// Conversion of GGUF models against transformers: tiny random models of every family must
// give the logits of the model they were made from.
#include "formats/gguf_convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <span>
#include <sstream>
#include <utility>

#include "base/errors.h"
#include "base/json.h"
#include "base/oracle_test_util.h"
#include "formats/checkpoint_files.h"
#include "formats/gguf_checkpoint.h"
#include "formats/gguf_model_test_util.h"

namespace svtune {
namespace gguf_convert_test {

using ::testing::HasSubstr;

constexpr const char* kScripts = SVTUNE_SOURCE_DIR "/tests/oracle/formats/";

std::string run_script(const std::string& python, const std::string& script,
                       const std::vector<std::string>& arguments) {
  std::string command = test::shell_quote(python) + " " + test::shell_quote(kScripts + script);
  for (const std::string& argument : arguments) command += " " + test::shell_quote(argument);
  const test::CommandResult result = test::run_command(command + " 2>/dev/null");
  EXPECT_EQ(result.status, 0) << command;
  return result.output;
}

GgufConvertOptions as_f32() {
  GgufConvertOptions options;
  options.dtype = DType::kF32;
  return options;
}

TEST(GgufConvert, LogitsEqualTheOriginalModelOfEveryFamily) {
  const std::string python = test::oracle_python("transformers, torch, gguf");
  if (python.empty()) GTEST_SKIP() << "no Python with transformers, torch and gguf";
  test::TempDirectory directory;
  run_script(python, "gguf_models.py", {"make", directory.path()});
  std::size_t models = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    if (entry.path().extension() != ".gguf") continue;
    ++models;
    auto output = entry.path();
    convert_gguf(entry.path(), output.replace_extension(".hf"), as_f32());
  }
  EXPECT_EQ(models, 24U);
  std::istringstream lines(run_script(python, "gguf_models.py", {"compare", directory.path()}));
  std::string name, difference;
  std::size_t compared = 0;
  while (lines >> name >> difference) {
    ++compared;
    // The weights are the same numbers; only the order of summation could differ.
    EXPECT_LT(std::stod(difference), 1e-5) << name;
  }
  EXPECT_EQ(compared, models);
}

TEST(GgufConvert, SmolLm2EqualsTransformersReadingOfTheFile) {
  const char* path = std::getenv("SVTUNE_SMOLLM2_GGUF");
  if (path == nullptr) GTEST_SKIP() << "SVTUNE_SMOLLM2_GGUF does not name the GGUF file";
  const std::string python = test::oracle_python("transformers, torch, gguf");
  if (python.empty()) GTEST_SKIP() << "no Python with transformers, torch and gguf";
  test::TempDirectory directory;
  convert_gguf(path, directory / "hf", as_f32());
  std::istringstream result(run_script(python, "smollm2_gguf.py", {path, directory / "hf"}));
  double weights = 1, logits = 1;
  result >> weights >> logits;
  EXPECT_EQ(weights, 0);
  EXPECT_LT(logits, 2e-4);
}

TEST(GgufConvert, WritesADirectoryInOneStepWithProgress) {
  test::TempDirectory directory;
  const auto gguf = directory / "m.gguf";
  write_file_atomic(gguf, test::tiny_model().build());
  std::uint64_t last = 0, total = 0;
  GgufConvertOptions options;
  options.dtype = DType::kBF16;
  options.max_shard_bytes = 600;
  options.progress = [&](std::uint64_t done, std::uint64_t all) {
    EXPECT_GT(done, last);
    last = done;
    total = all;
  };
  const GgufConvertReport report = convert_gguf(gguf, directory / "out", options);
  EXPECT_EQ(last, total);
  EXPECT_EQ(report.bytes, total);
  EXPECT_EQ(report.bytes, 2 * report.parameters);
  const CheckpointFiles files(directory / "out");
  EXPECT_GT(files.file_count(), 1U);
  EXPECT_EQ(files.entries().size(), report.tensors);
  EXPECT_EQ(files.find("model.norm.weight")->info->dtype, DType::kBF16);
  for (const char* name : {"config.json", "generation_config.json", "tokenizer.json",
                           "tokenizer_config.json", "model.safetensors.index.json"}) {
    EXPECT_TRUE(std::filesystem::exists(directory / "out" / name)) << name;
  }
  EXPECT_EQ(read_json_file(directory / "out" / "config.json")["torch_dtype"], "bfloat16");
}

TEST(GgufConvert, WeightsKeepTheTypeOfMostMatrices) {
  test::TempDirectory directory;
  const auto gguf = directory / "m.gguf";
  const std::pair<std::uint32_t, DType> types[] = {
      {0, DType::kF32}, {1, DType::kF16}, {30, DType::kBF16}};
  for (const auto& [stored, wanted] : types) {
    write_file_atomic(gguf, test::tiny_model({.type = stored}).build());
    const auto output = directory / std::string(dtype_name(wanted));
    const GgufConvertReport report = convert_gguf(gguf, output);
    EXPECT_EQ(report.dtype, wanted);
    EXPECT_EQ(report.rounded, 0U);
    const CheckpointFiles files(output);
    EXPECT_EQ(files.find("model.layers.0.mlp.up_proj.weight")->info->dtype, wanted);
  }
  // 1280 numbers in blocks of Q8_0, 34 bytes each, are more than all others.
  write_file_atomic(
      gguf,
      test::tiny_model().tensor("output.weight", {256, 5}, 8, std::string(1360, '\0')).build());
  EXPECT_EQ(convert_gguf(gguf, directory / "expanded").dtype, DType::kBF16);
}

TEST(GgufConvert, TensorsWithRoundedValuesAreCounted) {
  test::TempDirectory directory;
  const auto gguf = directory / "m.gguf";
  std::string head(5 * 8 * sizeof(float), '\0');
  const float between = 0.1F;
  std::memcpy(head.data() + 12, &between, sizeof between);
  write_file_atomic(gguf, test::tiny_model().tensor("output.weight", {8, 5}, 0, head).build());
  GgufConvertOptions options;
  for (const DType dtype : {DType::kBF16, DType::kF16}) {
    options.dtype = dtype;
    const auto output = directory / std::string(dtype_name(dtype));
    EXPECT_EQ(convert_gguf(gguf, output, options).rounded, 1U) << dtype_name(dtype);
  }
  EXPECT_EQ(convert_gguf(gguf, directory / "kept").rounded, 0U);
}

TEST(GgufConvert, ValuesBeyondTheTypeAreRefused) {
  test::TempDirectory directory;
  const auto gguf = directory / "m.gguf";
  std::string head(5 * 8 * sizeof(float), '\0');
  const float large = 1e5F;
  std::memcpy(head.data() + 12, &large, sizeof large);
  write_file_atomic(gguf, test::tiny_model().tensor("output.weight", {8, 5}, 0, head).build());
  GgufConvertOptions options;
  options.dtype = DType::kF16;
  try {
    convert_gguf(gguf, directory / "out", options);
    FAIL() << "infinity was written";
  } catch (const ModelError& error) {
    EXPECT_THAT(error.what(), HasSubstr("tensor lm_head.weight would hold infinity or NaN as F16"));
  }
  EXPECT_FALSE(std::filesystem::exists(directory / "out"));
  convert_gguf(gguf, directory / "out", as_f32());
}

TEST(GgufConvert, FailureLeavesNothingBehind) {
  test::TempDirectory directory;
  const auto gguf = directory / "m.gguf";
  auto model = test::tiny_model();
  model.string("tokenizer.ggml.pre", "unheard-of");
  write_file_atomic(gguf, model.build());
  EXPECT_THROW(convert_gguf(gguf, directory / "out"), FileError);
  const auto entries = std::filesystem::directory_iterator(directory.path());
  EXPECT_EQ(std::distance(entries, std::filesystem::directory_iterator()), 1);
  write_file_atomic(gguf, test::tiny_model().build());
  EXPECT_THROW(convert_gguf(gguf, directory.path()), FileError);  // not empty
  GgufConvertOptions options;
  options.dtype = DType::kI8;
  EXPECT_THROW(convert_gguf(gguf, directory / "out", options), UsageError);
}

TEST(GgufCheckpoint, RowsOfQAreReadInCheckpointOrder) {
  test::TempDirectory directory;
  write_file_atomic(directory / "m.gguf", test::tiny_model().build());
  const GgufCheckpoint model(directory / "m.gguf");
  const GgufHfTensor* q = model.find("model.layers.0.self_attn.q_proj.weight");
  ASSERT_NE(q, nullptr);
  // Stored row r is filled with the value r; heads of 4 rows hold 0, 2, 1, 3 of each.
  std::vector<float> values(3 * 8);
  model.read_rows(*q, 4, 3, values);
  EXPECT_EQ(values[0], 4);
  EXPECT_EQ(values[8], 6);
  EXPECT_EQ(values[16], 5);
  EXPECT_THROW(model.read_rows(*q, 6, 3, values), Error);
  EXPECT_THROW(model.read_rows(*q, 0, 2, values), Error);
}

TEST(GgufCheckpoint, StacksAreReadByTheirExperts) {
  test::TempDirectory directory;
  std::string values;  // 3 experts of 2 x 4
  for (int i = 0; i < 24; ++i) values += test::raw(static_cast<float>(i));
  const auto with_experts = [&](std::uint32_t count) {
    return test::tiny_model()
        .u32("llama.expert_count", count)
        .u32("llama.expert_used_count", 1)
        .tensor("blk.0.ffn_up_exps.weight", {4, 2, 3}, 0, values)
        .build();
  };
  write_file_atomic(directory / "m.gguf", with_experts(3));
  const GgufCheckpoint model(directory / "m.gguf");
  const GgufHfTensor* last = model.find("model.layers.0.block_sparse_moe.experts.2.w3.weight");
  ASSERT_NE(last, nullptr);
  EXPECT_EQ(last->shape, (std::vector<std::int64_t>{2, 4}));
  EXPECT_EQ(model.bytes(*last).size(), 8 * sizeof(float));
  std::vector<float> row(4);
  model.read_rows(*last, 1, 1, row);
  EXPECT_EQ(row, (std::vector<float>{20, 21, 22, 23}));
  write_file_atomic(directory / "other.gguf", with_experts(4));
  EXPECT_THROW(GgufCheckpoint(directory / "other.gguf"), FileError);
}

TEST(GgufConvert, DirectoriesHoldGpt2sMatricesTheOtherWayRound) {
  test::TempDirectory directory;
  const auto gguf = directory / "m.gguf";
  write_file_atomic(gguf, test::tiny_gpt2().build());
  convert_gguf(gguf, directory / "out", as_f32());
  const CheckpointFiles files(directory / "out");
  const auto shape_of = [&](const char* name) { return files.find(name)->info->shape; };
  EXPECT_EQ(shape_of("transformer.wpe.weight"), (std::vector<std::int64_t>{32, 8}));
  EXPECT_EQ(shape_of("transformer.h.0.attn.c_attn.weight"), (std::vector<std::int64_t>{8, 24}));
  EXPECT_EQ(shape_of("transformer.h.0.mlp.c_proj.weight"), (std::vector<std::int64_t>{12, 8}));
  // Stored row r is filled with the value r, so every written row counts up.
  const GgufCheckpoint model(gguf);
  EXPECT_EQ(model.find("transformer.h.0.mlp.c_proj.weight")->shape,
            (std::vector<std::int64_t>{8, 12}));
  const std::span<const std::byte> bytes = files.find("transformer.h.0.mlp.c_proj.weight")->data();
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  ASSERT_EQ(values.size(), 96U);
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], static_cast<float>(i % 8));
}

std::string checkpoint_error(const test::GgufBuilder& builder) {
  test::TempDirectory directory;
  write_file_atomic(directory / "m.gguf", builder.build());
  try {
    const GgufCheckpoint model(directory / "m.gguf");
  } catch (const FileError& error) {
    return std::string(error.what()) + " | " + error.hint();
  }
  return "accepted";
}

// What is well-formed but not supported is not called damaged.
TEST(GgufCheckpoint, HintsFitWhatIsWrong) {
  for (const test::GgufBuilder& builder :
       {test::tiny_model().tensor("output.weight", {256, 5}, 15, std::string(1460, '\0')),
        test::tiny_model().tensor("blk.0.strange.weight", {8}, 0, std::string(32, '\0')),
        test::tiny_model().info("new.weight", {8}, 99, 0)}) {
    const std::string error = checkpoint_error(builder);
    EXPECT_THAT(error, ::testing::Not(HasSubstr("damaged")));
    EXPECT_THAT(error, HasSubstr(" | "));
  }
  EXPECT_THAT(checkpoint_error(test::tiny_model().tensor("output.weight", {256, 5}, 15,
                                                         std::string(1460, '\0'))),
              HasSubstr("convert it again to another type"));
}

TEST(GgufCheckpoint, UnknownTensorsAreListed) {
  EXPECT_EQ(checkpoint_error(test::tiny_model()), "accepted");
  EXPECT_THAT(checkpoint_error(
                  test::tiny_model().tensor("blk.0.strange.weight", {8}, 0, std::string(32, '\0'))),
              HasSubstr("unknown tensor \"blk.0.strange.weight\""));
  EXPECT_THAT(checkpoint_error(test::tiny_model().tensor("output.weight", {256, 5}, 15,
                                                         std::string(1460, '\0'))),
              HasSubstr("\"output.weight\" has type Q8_K (supported: F32"));
}

}  // namespace gguf_convert_test
}  // namespace svtune
