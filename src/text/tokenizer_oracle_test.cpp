// Ids and decoded text against the PyPI packages tokenizers, sentencepiece and tiktoken, on
// 20,000 strings per family (5,000 under the sanitizers), on random pipelines, and on every code
// point: tokenizer_oracle.py, tokenizer_pipelines.py and tokenizer_code_points.py of tests/oracle
// make them as the test runs.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/oracle_test_util.h"
#include "text/stream_decoder.h"
#include "text/tokenizer.h"

namespace svtune {
namespace tokenizer_oracle_test {

namespace fs = std::filesystem;

struct Family {
  const char* name;
  const char* files;    // what it needs below <data>/tokenizers
  const char* modules;  // Python modules of the oracle
};

void PrintTo(const Family& family, std::ostream* out) { *out << family.name; }

struct OracleCase {
  std::string text;
  std::vector<std::int32_t> ids;
  bool skip_special = false;
  std::string decoded;
};

class CaseReader {
 public:
  explicit CaseReader(std::string_view bytes) : bytes_(bytes) {}
  std::uint32_t number() {
    std::uint32_t value = 0;
    std::memcpy(&value, bytes_.substr(at_).data(), 4);
    at_ += 4;
    return value;
  }
  OracleCase next() {
    OracleCase out;
    out.text = text();
    out.ids = numbers();
    out.skip_special = number() != 0;
    out.decoded = text();
    return out;
  }
  bool at_end() const { return at_ == bytes_.size(); }
  std::string text() {
    const std::uint32_t size = number();
    at_ += size;
    return std::string(bytes_.substr(at_ - size, size));
  }
  std::vector<std::int32_t> numbers() {
    std::vector<std::int32_t> out(number());
    for (std::int32_t& value : out) value = static_cast<std::int32_t>(number());
    return out;
  }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    char code[8];
    std::snprintf(code, sizeof(code), "\\x%02X", static_cast<unsigned char>(c));
    out += c >= ' ' && c <= '~' ? std::string(1, c) : code;
  }
  return out;
}

std::string streamed(const Tokenizer& tokenizer, const OracleCase& one) {
  StreamDecoder decoder(tokenizer, one.skip_special);
  std::string text;
  for (const std::int32_t id : one.ids) text += decoder.push(id);
  return text + decoder.finish();
}

std::string script_command(const std::string& python, const std::string& script,
                           const std::vector<std::string>& arguments) {
  std::string command = test::shell_quote(python) + " " +
                        test::shell_quote(SVTUNE_SOURCE_DIR "/tests/oracle/" + script);
  for (const std::string& argument : arguments) command += " " + test::shell_quote(argument);
  return command;
}

// Every case of folder/cases.bin; stops at the third failure.
void compare_cases(const Tokenizer& tokenizer, const fs::path& folder, std::uint32_t count) {
  const std::string content = read_file(folder / "cases.bin", std::uint64_t{1} << 30);
  CaseReader cases(content);
  ASSERT_EQ(cases.number(), count);
  int failures = 0;
  for (std::uint32_t i = 0; i < count && failures < 3; ++i) {
    const OracleCase one = cases.next();
    const auto ids = tokenizer.encode(one.text, true);
    const std::string decoded = tokenizer.decode(one.ids, one.skip_special);
    const bool same = ids == one.ids && decoded == one.decoded;
    failures += same ? 0 : 1;
    EXPECT_EQ(ids, one.ids) << escaped(one.text);
    EXPECT_EQ(escaped(decoded), escaped(one.decoded)) << escaped(one.text);
  }
  EXPECT_TRUE(failures > 0 || cases.at_end());
}

// Without bytes that are not UTF-8, streaming gives the text of decode().
void compare_streaming(const Tokenizer& tokenizer, const fs::path& folder) {
  const std::string content = read_file(folder / "cases.bin", std::uint64_t{1} << 30);
  CaseReader cases(content);
  const std::uint32_t count = cases.number();
  for (std::uint32_t i = 0; i < count && !testing::Test::HasFailure(); ++i) {
    const OracleCase one = cases.next();
    if (one.decoded.find("\xEF\xBF\xBD") != std::string::npos) continue;
    EXPECT_EQ(escaped(streamed(tokenizer, one)), escaped(one.decoded));
  }
}

// One text or two in the model's form, cut to a length: ids and types.
void compare_pairs(const Tokenizer& tokenizer, const fs::path& folder) {
  const std::string content = read_file(folder / "pairs.bin", std::uint64_t{1} << 30);
  CaseReader cases(content);
  const std::uint32_t count = cases.number();
  ASSERT_GT(count, 0U);
  std::uint32_t cut = 0;
  for (std::uint32_t i = 0; i < count && !testing::Test::HasFailure(); ++i) {
    const std::string first = cases.text();
    const std::uint32_t others = cases.number();
    const std::string second = others > 0 ? cases.text() : std::string();
    const std::uint32_t length = cases.number();
    const auto ids = cases.numbers();
    const auto types = cases.numbers();
    const auto got = tokenizer.encode_typed(
        first, others > 0 ? std::optional<std::string_view>(second) : std::nullopt, length);
    EXPECT_EQ(got.ids, ids) << escaped(first) << " | " << escaped(second) << " to " << length;
    EXPECT_EQ(got.types, types) << escaped(first) << " | " << escaped(second) << " to " << length;
    cut += got.cut ? 1 : 0;
  }
  EXPECT_GT(cut, count / 8);
  EXPECT_TRUE(testing::Test::HasFailure() || cases.at_end());
}

// The sanitizers are about how an answer is found, the answers themselves are compared without
// them.
#ifdef SVTUNE_SANITIZED
constexpr std::uint32_t kStrings = 5000;
#else
constexpr std::uint32_t kStrings = 20000;
#endif

class TokenizerOracle : public testing::TestWithParam<Family> {};

TEST_P(TokenizerOracle, IdsAndTextEqualThePyPiPackage) {
  const Family& family = GetParam();
  const fs::path data = test::test_data("");
  if (test::test_data("tokenizers/" + std::string(family.files)).empty()) {
    GTEST_SKIP() << test::kNoTestData << "tokenizers/" << family.files;
  }
  const std::string python = test::oracle_python(family.modules);
  if (python.empty()) GTEST_SKIP() << "no Python with " << family.modules;
  const test::TempDirectory folder;
  const std::string command = script_command(
      python, "tokenizer_oracle.py",
      {family.name, data.string(), folder.path().string(), std::to_string(kStrings)});
  ASSERT_EQ(test::run_command(command).status, 0) << command;
  const std::string oracle = read_file(folder / "oracle.txt", 1 << 10);
  SCOPED_TRACE(oracle);
  RecordProperty("oracle", oracle);

  TokenizerOptions options;
  if (std::string_view(family.name).ends_with("-transformers5")) {
    options.sentencepiece = SentencePieceRule::kTransformers5;
  }
  const Tokenizer tokenizer = Tokenizer::load(folder / "model", options);
  compare_cases(tokenizer, folder.path(), kStrings);
  compare_streaming(tokenizer, folder.path());
  if (fs::exists(folder / "pairs.bin")) compare_pairs(tokenizer, folder.path());
}

// The tokenizers that the script writes into folders 1 to `count`, each with `strings` cases.
void compare_pipelines(const std::string& script, std::vector<std::string> arguments, int count,
                       std::uint32_t strings) {
  const std::string python = test::oracle_python("tokenizers");
  if (python.empty()) GTEST_SKIP() << "no Python with tokenizers";
  const test::TempDirectory folder;
  arguments.insert(arguments.begin(), folder.path().string());
  const std::string command = script_command(python, script, arguments);
  ASSERT_EQ(test::run_command(command).status, 0) << command;
  for (int number = 1; number <= count; ++number) {
    SCOPED_TRACE("pipeline " + std::to_string(number));
    const fs::path pipeline = folder / std::to_string(number);
    compare_cases(Tokenizer::load(pipeline / "model"), pipeline, strings);
  }
}

// Every part of tokenizer.json in random combinations, with tokenizers as the oracle.
TEST(TokenizerPipelines, RandomPartsGiveTheSameIdsAndText) {
  compare_pipelines("tokenizer_pipelines.py", {test::test_data("").string(), "40"}, 40, 200);
}

// Which Unicode version a table is of shows only at rare code points, so all are tried.
TEST(TokenizerPipelines, EveryCodePointSplitsAsInTheOracle) {
  compare_pipelines("tokenizer_code_points.py", {}, 14, 815);
}

constexpr Family kFamilies[] = {
    {"gpt2", "gpt2", "tokenizers"},
    {"gpt2-vocab", "gpt2", "tokenizers"},
    {"gpt-neox", "gpt-neox", "tokenizers"},
    {"qwen2", "qwen2", "tokenizers"},
    {"smollm2-like", "gpt2", "tokenizers"},
    {"gemma-like", "gpt2", "tokenizers"},
    {"llama-2", "llama-2", "tokenizers,sentencepiece"},
    {"llama-2-transformers5", "llama-2", "tokenizers,sentencepiece"},
    {"llama-2-sentencepiece", "llama-2", "tokenizers,sentencepiece"},
    {"mistral-7b-v0.1", "mistral-7b-v0.1", "tokenizers,sentencepiece"},
    {"mistral-7b-v0.1-sentencepiece", "mistral-7b-v0.1", "tokenizers,sentencepiece"},
    {"mistral-7b-v0.3", "mistral-7b-v0.3", "tokenizers,sentencepiece"},
    {"mistral-7b-v0.3-sentencepiece", "mistral-7b-v0.3", "tokenizers,sentencepiece"},
    {"llama-3", "llama-3", "tokenizers"},
    {"llama-3-tiktoken", "llama-3", "tokenizers,tiktoken"},
    {"bert", "bert-base-uncased", "tokenizers"},
    {"bert-cased", "bert-base-uncased", "tokenizers"},
    {"bert-json", "bert-base-uncased", "tokenizers"},
    {"roberta", "gpt2", "tokenizers"},
    {"roberta-json", "gpt2", "tokenizers"},
    {"modernbert-like", "gpt-neox", "tokenizers"},
    {"deberta-v3", "deberta-v3", "tokenizers,sentencepiece"},
    {"deberta-v3-json", "deberta-v3", "tokenizers,sentencepiece,google.protobuf"},
};

INSTANTIATE_TEST_SUITE_P(Families, TokenizerOracle, testing::ValuesIn(kFamilies),
                         [](const testing::TestParamInfo<Family>& info) {
                           std::string name = info.param.name;
                           for (char& c : name) c = c == '-' || c == '.' ? '_' : c;
                           return name;
                         });

}  // namespace tokenizer_oracle_test
}  // namespace svtune
