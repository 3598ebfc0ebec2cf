// Model directories: which file wins, what the files beside the vocabulary add, streaming.
#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "base/files.h"
#include "base/oracle_test_util.h"
#include "base/text_util.h"
#include "text/stream_decoder.h"
#include "text/tokenizer_test_util.h"

namespace svtune {
namespace tokenizer_test {

using test::added_token;
using test::error_of;
using test::make_tokenizer;
using test::pieces;
using test::small_tokenizer_json;
using test::TempDirectory;
using testing::HasSubstr;

constexpr const char* kVocab =
    R"({"a": 0, "b": 1, "Ġ": 2, "ab": 3, "Ġab": 4, "1": 5, "2": 6, "12": 7, "Ã": 8, "©": 9, "<|endoftext|>": 10})";
constexpr const char* kMerges = "#version: 0.2\na b\nĠ ab\n1 2\n";

TEST(Tokenizer, EmptyDirectoryIsAnErrorThatListsTheFiles) {
  const TempDirectory dir;
  EXPECT_THAT(error_of([&] { Tokenizer::load(dir.path()); }), HasSubstr("tokenizer.json"));
}

TEST(Tokenizer, TheFileOfXlmRobertaAloneIsNamed) {
  const test::TempDirectory directory;
  write_file_atomic(directory / "sentencepiece.bpe.model", "x");
  EXPECT_THAT(error_of([&] { Tokenizer::load(directory.path()); }),
              HasSubstr("holds sentencepiece.bpe.model alone"));
}

TEST(Tokenizer, Gpt2FilesKeepDigitsTogetherAndQwen2FilesDoNot) {
  const TempDirectory dir;
  write_file_atomic(dir / "vocab.json", kVocab);
  write_file_atomic(dir / "merges.txt", kMerges);
  EXPECT_EQ(pieces(Tokenizer::load(dir.path()), "ab ab12<|endoftext|>"), "ab|Ġab|12|<|endoftext|>");
  write_file_atomic(dir / "config.json", R"({"model_type": "qwen2"})");
  EXPECT_EQ(pieces(Tokenizer::load(dir.path()), "ab ab12"), "ab|Ġab|1|2");
  EXPECT_EQ(pieces(Tokenizer::load(dir.path()), "e\xCC\x81"), "Ã|©");
}

TEST(Tokenizer, OtherClassesWithVocabAndMergesAreRefused) {
  const TempDirectory dir;
  write_file_atomic(dir / "vocab.json", kVocab);
  write_file_atomic(dir / "merges.txt", kMerges);
  write_file_atomic(dir / "tokenizer_config.json", R"({"tokenizer_class": "CLIPTokenizer"})");
  EXPECT_THAT(error_of([&] { Tokenizer::load(dir.path()); }), HasSubstr("CLIPTokenizer"));
}

TEST(Tokenizer, ConfigurationAddsTokensAndNamesTheRoles) {
  const TempDirectory dir;
  write_file_atomic(dir / "tokenizer.json", small_tokenizer_json().dump());
  write_file_atomic(dir / "tokenizer_config.json", R"({
    "added_tokens_decoder": {"8": {"content": "<|im_end|>", "special": true}},
    "bos_token": null, "eos_token": "<|im_end|>", "pad_token": {"content": "<pad>"},
    "model_max_length": 1000000000000000019884624838656, "chat_template": "{{ messages }}"})");
  write_file_atomic(dir / "special_tokens_map.json", R"({"bos_token": "a", "unk_token": "<unk>"})");
  const Tokenizer tokenizer = Tokenizer::load(dir.path());
  EXPECT_EQ(tokenizer.eos_id(), 8);
  EXPECT_EQ(tokenizer.pad_id(), 9);
  EXPECT_EQ(tokenizer.bos_id(), 1);
  EXPECT_EQ(tokenizer.unk_id(), 0);
  EXPECT_TRUE(tokenizer.is_special(9));
  EXPECT_FALSE(tokenizer.is_special(6));
  EXPECT_EQ(tokenizer.token_id("<pad>"), 9);
  EXPECT_EQ(tokenizer.token_id("nothing"), std::nullopt);
  EXPECT_EQ(tokenizer.chat_template(), "{{ messages }}");
  write_file_atomic(dir / "chat_template.jinja", "file");
  EXPECT_EQ(Tokenizer::load(dir.path()).chat_template(), "file");
}

TEST(Tokenizer, MalformedConfigurationNamesTheKey) {
  const TempDirectory dir;
  write_file_atomic(dir / "tokenizer.json", small_tokenizer_json().dump());
  write_file_atomic(dir / "tokenizer_config.json",
                    R"({"added_tokens_decoder": {"x": {"content": "y"}}})");
  EXPECT_THAT(error_of([&] { Tokenizer::load(dir.path()); }),
              HasSubstr("tokenizer_config.added_tokens_decoder.x must be an id"));
  write_file_atomic(dir / "tokenizer_config.json", R"({"eos_token": 3})");
  EXPECT_THAT(error_of([&] { Tokenizer::load(dir.path()); }), HasSubstr("eos_token"));
}

TEST(Tokenizer, DecodingSkipsUnknownIdsAndSpecialTokensOnRequest) {
  Json json = small_tokenizer_json();
  json["added_tokens"] = {added_token("<s>", {{"special", true}}), added_token("<t>")};
  const Tokenizer tokenizer = make_tokenizer(json);
  const std::vector<std::int32_t> ids = {8, 1, 77, -5, 9, 2};
  EXPECT_EQ(tokenizer.decode(ids, true), "a<t>b");
  EXPECT_EQ(tokenizer.decode(ids, false), "<s>a<t>b");
}

TEST(Tokenizer, ThreadsShareOneTokenizer) {
  const Tokenizer tokenizer = make_tokenizer(small_tokenizer_json());
  std::vector<std::string> results(4);
  {
    std::vector<std::jthread> threads;
    for (std::string& result : results) {
      threads.emplace_back([&] {
        for (int i = 0; i < 200; ++i) result = pieces(tokenizer, "abcab " + std::string(i, 'a'));
      });
    }
  }
  for (const std::string& result : results) {
    EXPECT_EQ(result, pieces(tokenizer, "abcab " + std::string(199, 'a')));
  }
}

Tokenizer byte_tokenizer() {
  Json json = small_tokenizer_json();
  json["decoder"] = Json::parse(
      R"({"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
          {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})");
  json["model"]["vocab"]["<0xC3>"] = 8;
  json["model"]["vocab"]["<0xA9>"] = 9;
  return make_tokenizer(json);
}

TEST(StreamDecoder, HoldsBackUnfinishedCharactersAndKeepsInnerSpaces) {
  StreamDecoder decoder(byte_tokenizer());
  EXPECT_EQ(decoder.push(5), "");  // the space in front of the text is dropped
  EXPECT_EQ(decoder.push(1), "a");
  EXPECT_EQ(decoder.push(8), "");
  EXPECT_EQ(decoder.push(9), "\xC3\xA9");
  EXPECT_EQ(decoder.push(5), " ");
  EXPECT_EQ(decoder.push(8), "");
  EXPECT_EQ(decoder.finish(), "\xEF\xBF\xBD");
  EXPECT_EQ(decoder.push(2), "b");
}

TEST(StreamDecoder, InvalidBytesNeverTearCharactersApart) {
  StreamDecoder decoder(byte_tokenizer());
  std::string text;
  for (int i = 0; i < 100; ++i) text += decoder.push(i % 3 == 0 ? 9 : 8);
  text += decoder.finish();
  EXPECT_TRUE(is_valid_utf8(text));
  EXPECT_FALSE(text.empty());
}

}  // namespace tokenizer_test
}  // namespace svtune
