// Tokenizer files from GGUF vocabularies, compared with transformers on published
// vocabularies; malformed vocabularies.
#include "formats/gguf_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "formats/gguf_model_test_util.h"

namespace svtune {
namespace gguf_tokenizer_test {

using test::GgufBuilder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(GgufTokenizer, IdsEqualTransformersOnPublishedVocabularies) {
  const std::string python = test::oracle_python("transformers, gguf, sentencepiece, tokenizers");
  if (python.empty()) GTEST_SKIP() << "no Python with transformers, gguf and sentencepiece";
  const std::string data = test::test_data("").string();
  if (test::test_data("tokenizers/llama-2/tokenizer.model").empty()) {
    GTEST_SKIP() << test::kNoTestData << "tokenizers/llama-2";
  }
  test::TempDirectory directory;
  const std::string script =
      test::shell_quote(python) + " " +
      test::shell_quote(SVTUNE_SOURCE_DIR "/tests/oracle/formats/gguf_tokenizers.py");
  const std::string where =
      " " + test::shell_quote(directory.path()) + " " + test::shell_quote(data);
  ASSERT_EQ(test::run_command(script + " make" + where + " smollm llama2 gemma2").status, 0);
  for (const char* name : {"smollm", "llama2", "gemma2"}) {
    const auto output = directory / (std::string(name) + ".hf");
    std::filesystem::create_directory(output);
    write_tokenizer_files(GgufFile(directory / (std::string(name) + ".gguf")), output);
  }
  const auto result = test::run_command(script + " compare" + where + " 800 smollm llama2 gemma2");
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.output, "smollm 0\nllama2 0\ngemma2 0\n");
}

struct Files {
  Json tokenizer, config;
};

Files files_of(const GgufBuilder& builder) {
  test::TempDirectory directory;
  write_file_atomic(directory / "m.gguf", builder.build());
  const GgufFile file(directory / "m.gguf");
  const GgufVocab vocab = read_gguf_vocab(file);
  return {tokenizer_json_from_gguf(file, vocab), tokenizer_config_from_gguf(file, vocab)};
}

std::string error_of(const GgufBuilder& builder) {
  try {
    files_of(builder);
  } catch (const FileError& error) {
    return error.what();
  }
  return "accepted";
}

GgufBuilder vocabulary(const std::vector<std::string>& tokens,
                       const std::vector<std::string>& merges, const char* model = "gpt2") {
  GgufBuilder builder;
  builder.string("general.architecture", "llama").string("tokenizer.ggml.model", model);
  builder.strings("tokenizer.ggml.tokens", tokens);
  if (!merges.empty()) builder.strings("tokenizer.ggml.merges", merges);
  return builder;
}

TEST(GgufTokenizer, SpecialTokensAndBosFollowTheMetadata) {
  auto builder = vocabulary({"a", "<s>", "<think>", "x"}, {"a x"});
  builder.array<std::int32_t>("tokenizer.ggml.token_type", 5, {1, 3, 4, 5});
  builder.u32("tokenizer.ggml.bos_token_id", 1).boolean("tokenizer.ggml.add_bos_token", true);
  builder.string("tokenizer.ggml.pre", "llama-bpe");
  const Files files = files_of(builder);
  ASSERT_EQ(files.tokenizer["added_tokens"].size(), 2U);
  EXPECT_EQ(files.tokenizer["added_tokens"][0]["content"], "<s>");
  EXPECT_EQ(files.tokenizer["added_tokens"][0]["special"], true);
  EXPECT_EQ(files.tokenizer["added_tokens"][1]["special"], false);
  EXPECT_EQ(files.tokenizer["post_processor"]["processors"][1]["type"], "TemplateProcessing");
  EXPECT_EQ(files.tokenizer["model"]["ignore_merges"], true);
  EXPECT_EQ(files.config["bos_token"], "<s>");
  EXPECT_FALSE(files.config.contains("chat_template"));
}

TEST(GgufTokenizer, ChatTemplatesAreKept) {
  auto builder = vocabulary({"a"}, {"a a"});
  builder.string("tokenizer.chat_template", "main");
  EXPECT_EQ(files_of(builder).config["chat_template"], "main");
  builder.string("tokenizer.chat_template.rag", "other");
  EXPECT_EQ(dump_json(files_of(builder).config["chat_template"]),
            R"([{"name": "default", "template": "main"}, {"name": "rag", "template": "other"}])");
}

TEST(GgufTokenizer, MalformedVocabulariesNameTheKey) {
  EXPECT_THAT(error_of(vocabulary({"a"}, {"a a"}, "bert")), HasSubstr("\"bert\" is not supported"));
  EXPECT_THAT(error_of(vocabulary({}, {"a a"})), HasSubstr("vocabulary is missing"));
  EXPECT_THAT(error_of(vocabulary({"a"}, {})), HasSubstr("ggml.merges\": is missing"));
  for (const char* merge : {"ab", "a ", " ", ""}) {
    EXPECT_THAT(error_of(vocabulary({"a"}, {"a a", merge})),
                HasSubstr("entry 1 is not two tokens"));
  }
  EXPECT_THAT(error_of(vocabulary({std::string(5000, 'x')}, {"a a"})), HasSubstr("5000 bytes"));
  EXPECT_THAT(error_of(vocabulary({"a"}, {"a a"}).u32("tokenizer.ggml.bos_token_id", 1)),
              HasSubstr("1 is outside the vocabulary of 1 tokens"));
  EXPECT_THAT(error_of(vocabulary({"a"}, {"a a"}).string("tokenizer.ggml.pre", "new-thing")),
              HasSubstr("\"new-thing\" is not supported"));
  EXPECT_THAT(error_of(vocabulary({"a", "b"}, {}, "llama")), HasSubstr("scores\": is missing"));
  EXPECT_THAT(
      error_of(vocabulary({"a", "b"}, {}, "llama").array<float>("tokenizer.ggml.scores", 6, {1})),
      HasSubstr("has 1 entries for 2 tokens"));
  EXPECT_THAT(error_of(vocabulary({"a", "b"}, {"a b"})
                           .array<std::int32_t>("tokenizer.ggml.token_type", 5, {1, 9})),
              HasSubstr("unknown type at 1"));
}

TEST(GgufVocab, MergesFollowScoreThenLengths) {
  GgufVocab vocab;
  vocab.model = "llama";
  vocab.tokens = {"a", "b", "é", "ab", "abé", "bé", "aab"};
  vocab.scores = {0, 0, 0, -1, -3, -2, -2};
  EXPECT_THAT(detail::merges_from_scores(vocab),
              ElementsAre(Pair("a", "b"), Pair("a", "ab"), Pair("b", "é"), Pair("ab", "é"),
                          Pair("a", "bé")));
}

}  // namespace gguf_tokenizer_test
}  // namespace svtune
