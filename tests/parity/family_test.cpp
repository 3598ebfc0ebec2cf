// Log-probabilities and greedy answers of random models of every family against transformers.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "base/files.h"
#include "base/json.h"
#include "infer/generate.h"
#include "infer/score.h"
#include "io/model.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace family_test {

std::string oracle_python() {
  if (const char* given = std::getenv("SVTUNE_ORACLE_PYTHON")) return given;
  return SVTUNE_SOURCE_DIR "/.venv/bin/python";
}

class FamilyParity : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory() =
        std::filesystem::path(testing::TempDir()) / ("parity-" + std::to_string(::getpid()));
    const std::string command =
        "'" + oracle_python() + "' '" SVTUNE_SOURCE_DIR "/tests/oracle/family_models.py' '" +
        directory().string() + "' > '" + directory().string() + ".log' 2>&1";
    exit_code() = std::system(command.c_str());
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(directory()); }
  static std::filesystem::path& directory() {
    static std::filesystem::path path;
    return path;
  }
  static int& exit_code() {
    static int code = 0;
    return code;
  }
  void SetUp() override {
    // The script leaves with 77 when transformers is not installed.
    if (exit_code() == 77 * 256 || exit_code() == 127 * 256) {
      GTEST_SKIP() << "no Python with transformers";
    }
    ASSERT_EQ(exit_code(), 0) << read_file(directory().string() + ".log", 1 << 20);
  }
};

double largest_error(const std::filesystem::path& model_directory, at::ScalarType dtype) {
  Model model = load_model(model_directory, {dtype});
  const Json expected = read_json_file(model_directory / "expected.json");
  const auto ids = expected.at("ids").get<std::vector<std::vector<std::int32_t>>>();
  // 300 tokens a batch: several documents share one, so packing is compared as well.
  const auto scores = score_sequences(*model.net, ids, 300);
  double largest = 0;
  for (std::size_t s = 0; s < ids.size(); ++s) {
    const Json& wanted = expected.at("logprobs").at(s);
    EXPECT_EQ(scores[s].size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      largest = std::max(largest, std::abs(scores[s][i] - wanted.at(i).get<double>()));
    }
  }
  return largest;
}

TEST_F(FamilyParity, LogProbabilitiesEqualTransformersInFp32) {
  std::int64_t models = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory())) {
    // Two summation orders in fp32 over three layers; seen: 4e-6.
    EXPECT_LT(largest_error(entry.path(), at::kFloat), 2e-4) << entry.path().filename();
    ++models;
  }
  EXPECT_EQ(models, 44);
}

// Prompts of 1 to 270 tokens, as one batch and each alone.
TEST_F(FamilyParity, GreedyTokensEqualTransformers) {
  std::int64_t models = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory())) {
    Model model = load_model(entry.path(), {at::kFloat});
    const Json expected = read_json_file(entry.path() / "expected.json");
    const auto ids = expected.at("ids").get<std::vector<std::vector<std::int32_t>>>();
    const auto wanted = expected.at("greedy").get<std::vector<std::vector<std::int32_t>>>();
    GenerateOptions options;
    options.max_new_tokens = static_cast<std::int64_t>(wanted.at(0).size());
    const auto together = generate(*model.net, ids, options);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      EXPECT_EQ(together[i].ids, wanted[i]) << entry.path().filename() << " prompt " << i;
      EXPECT_EQ(generate(*model.net, {ids[i]}, options)[0].ids, wanted[i])
          << entry.path().filename() << " prompt " << i << " alone";
    }
    ++models;
  }
  EXPECT_EQ(models, 44);
}

// A trained model, whose distributions are peaked as random ones' are not.
TEST(SmolLm2, GreedyTokensEqualTransformers) {
  const char* path = std::getenv("SVTUNE_SMOLLM2_GGUF");
  if (path == nullptr) GTEST_SKIP() << "SVTUNE_SMOLLM2_GGUF does not name the GGUF file";
  const std::filesystem::path output = std::filesystem::path(testing::TempDir()) /
                                       ("smollm2-" + std::to_string(::getpid()) + ".json");
  const std::string command = "'" + oracle_python() +
                              "' '" SVTUNE_SOURCE_DIR "/tests/oracle/smollm2_greedy.py' '" +
                              std::string(path) + "' '" + output.string() + "'";
  const int code = std::system(command.c_str());
  if (code == 77 * 256 || code == 127 * 256) GTEST_SKIP() << "no Python with transformers, gguf";
  ASSERT_EQ(code, 0);
  const Json expected = read_json_file(output);
  std::filesystem::remove(output);
  const auto ids = expected.at("ids").get<std::vector<std::vector<std::int32_t>>>();
  const auto wanted = expected.at("greedy").get<std::vector<std::vector<std::int32_t>>>();
  Model model = load_model(path, {at::kFloat});
  GenerateOptions options;
  options.max_new_tokens = static_cast<std::int64_t>(wanted.at(0).size());
  const auto together = generate(*model.net, ids, options);
  for (std::size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(together[i].ids, wanted[i]) << i;
}

}  // namespace family_test
}  // namespace svtune
