#include "text/tokenizer_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "text/tokenizer_test_util.h"

namespace svtune {
namespace tokenizer_json_test {

using test::added_token;
using test::error_of;
using test::make_tokenizer;
using test::pieces;
using test::small_tokenizer_json;
using testing::ElementsAre;
using testing::HasSubstr;

std::string load_error(const Json& json) {
  return error_of([&] { make_tokenizer(json); });
}

TEST(TokenizerJson, MergesJoinTheLowestRankFirst) {
  const Tokenizer tokenizer = make_tokenizer(small_tokenizer_json());
  EXPECT_EQ(pieces(tokenizer, "abcab acb"), "abc|ab| |a|c|b");
  EXPECT_EQ(tokenizer.vocab_size(), 8);
}

TEST(TokenizerJson, UnknownCharactersBecomeOneTokenEachUnlessFused) {
  Json json = small_tokenizer_json();
  EXPECT_EQ(pieces(make_tokenizer(json), "xyaz"), "<unk>|<unk>|a|<unk>");
  json["model"]["fuse_unk"] = true;
  EXPECT_EQ(pieces(make_tokenizer(json), "xyaz"), "<unk>|a|<unk>");
  json["model"]["unk_token"] = nullptr;
  EXPECT_EQ(pieces(make_tokenizer(json), "xyaz"), "a");
}

TEST(TokenizerJson, BytesReplaceACharacterOnlyWhenAllOfThemHaveTokens) {
  Json json = small_tokenizer_json();
  json["model"]["byte_fallback"] = true;
  json["model"]["vocab"]["<0xC3>"] = 8;
  json["model"]["vocab"]["<0xA9>"] = 9;
  EXPECT_EQ(pieces(make_tokenizer(json), "é\xC3\xA8"), "<0xC3>|<0xA9>|<unk>");
}

TEST(TokenizerJson, MergesMayBePairs) {
  Json json = small_tokenizer_json();
  json["model"]["merges"] = Json::parse(R"([["a", "b"], ["ab", "c"]])");
  EXPECT_EQ(pieces(make_tokenizer(json), "abc"), "abc");
}

// tokenizers 0.23.3 gives these ids: the file's own "id" does not count.
TEST(TokenizerJson, NewTokensGetTheNextFreeIds) {
  Json json = small_tokenizer_json();
  json["added_tokens"] = {added_token("<x>"), added_token("ab"), added_token("<y>")};
  const Tokenizer tokenizer = make_tokenizer(json);
  EXPECT_THAT(tokenizer.encode("<y>ab<x>", false), ElementsAre(9, 6, 8));
  EXPECT_EQ(tokenizer.vocab_size(), 10);
}

TEST(TokenizerJson, AddedTokensMatchLongestFirstAndTakeSpacesAlong) {
  Json json = small_tokenizer_json();
  json["added_tokens"] = {added_token("<x>"), added_token("<x>a"),
                          added_token("<s>", {{"lstrip", true}, {"rstrip", true}}),
                          added_token("cc", {{"single_word", true}})};
  const Tokenizer tokenizer = make_tokenizer(json);
  EXPECT_EQ(pieces(tokenizer, "<x>ab<x>b"), "<x>a|b|<x>|b");
  EXPECT_EQ(pieces(tokenizer, "a <s>  b"), "a|<s>|b");
  EXPECT_EQ(pieces(tokenizer, "cc ccc cc"), "cc| |c|c|c| |cc");
}

TEST(TokenizerJson, NormalizedTokensAreFoundInNormalisedText) {
  Json json = small_tokenizer_json();
  json["normalizer"] = {{"type", "Lowercase"}};
  json["added_tokens"] = {added_token("<N>", {{"normalized", true}}), added_token("<R>")};
  EXPECT_EQ(pieces(make_tokenizer(json), "<n><R><r>"), "<N>|<R>|<unk>|<unk>|<unk>");
}

TEST(TokenizerJson, TemplateSurroundsTheText) {
  Json json = small_tokenizer_json();
  json["post_processor"] = Json::parse(R"({"type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "c", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
               {"SpecialToken": {"id": "b", "type_id": 0}}],
    "special_tokens": {"b": {"id": "b", "ids": [2], "tokens": ["b"]},
                       "c": {"id": "c", "ids": [3, 1], "tokens": ["c", "a"]}}})");
  EXPECT_EQ(pieces(make_tokenizer(json), "ab", true), "c|a|ab|b");
  EXPECT_EQ(pieces(make_tokenizer(json), "", true), "c|a|b");
}

TEST(TokenizerJson, InvalidUtf8CountsAsReplacementCharacter) {
  Json json = small_tokenizer_json();
  json["model"]["vocab"]["\xEF\xBF\xBD"] = 8;
  EXPECT_THAT(make_tokenizer(json).encode("a\xFF"
                                          "b",
                                          false),
              ElementsAre(1, 8, 2));
}

TEST(TokenizerJson, ErrorsNameTheKeyAndTheValue) {
  Json json = small_tokenizer_json();
  json["model"]["type"] = "WordLevel";
  EXPECT_THAT(load_error(json), HasSubstr("model.type \"WordLevel\" is not supported"));
  json = small_tokenizer_json();
  json["normalizer"] = Json::parse(R"({"type": "Sequence", "normalizers": [{"type": "Nmt"}]})");
  EXPECT_THAT(load_error(json), HasSubstr("normalizer.normalizers[0].type \"Nmt\""));
  json = small_tokenizer_json();
  json["pre_tokenizer"] = {{"type", "UnicodeScripts"}};
  EXPECT_THAT(load_error(json), HasSubstr("pre_tokenizer.type \"UnicodeScripts\""));
  json = small_tokenizer_json();
  json["model"]["merges"] = {"a b", "a z"};
  EXPECT_THAT(load_error(json), HasSubstr("merge 1 (\"a\" and \"z\") needs the token \"z\""));
  json["model"]["merges"] = {"a b c"};
  EXPECT_THAT(load_error(json), HasSubstr("merge 0 is \"a b c\""));
  json = small_tokenizer_json();
  json["model"]["vocab"]["z"] = 1 << 30;
  EXPECT_THAT(load_error(json), HasSubstr("token \"z\" has id 1073741824"));
  json = small_tokenizer_json();
  json["model"]["dropout"] = 0.1;
  EXPECT_THAT(load_error(json), HasSubstr("model.dropout"));
}

TEST(TokenizerJson, UnigramsFuseUnknownCharacters) {
  Json json = small_tokenizer_json();
  json["model"] = Json::parse(R"({"type": "Unigram", "unk_id": 0, "byte_fallback": false,
    "vocab": [["<unk>", 0], ["a", -2], ["b", -2], ["ab", -3], ["abb", -6.5]]})");
  EXPECT_EQ(pieces(make_tokenizer(json), "abbzzab"), "ab|b|<unk>|ab");
  json["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", true}};
  json["model"]["vocab"].push_back({"\u0120a", -1});  // of " a" in GPT-2's notation
  EXPECT_EQ(pieces(make_tokenizer(json), "ab"), "\u0120a|b");
  json["pre_tokenizer"] = nullptr;
  json["model"]["unk_id"] = nullptr;
  EXPECT_THAT(error_of([&] { make_tokenizer(json).encode("az", false); }),
              HasSubstr("needs the unknown token for \"z\""));
  json["model"]["unk_id"] = 6;
  EXPECT_THAT(load_error(json), HasSubstr("model.unk_id must be a whole number from 0 to 5"));
  json["model"]["vocab"] = {{"a"}};
  EXPECT_THAT(load_error(json), HasSubstr("must hold pairs"));
}

TEST(TokenizerJson, WordPieceNamesWhatItCannotRead) {
  Json json = small_tokenizer_json();
  json["model"] = Json::parse(R"({"type": "WordPiece", "unk_token": "u",
    "continuing_subword_prefix": "##", "vocab": {"a": 1, "##b": 2}})");
  EXPECT_EQ(pieces(make_tokenizer(json), "abb"), "a|##b|##b");
  EXPECT_THAT(error_of([&] { make_tokenizer(json).encode("b", false); }),
              HasSubstr("needs the unknown token \"u\" for \"b\""));
  json["model"]["max_input_chars_per_word"] = 100000;
  EXPECT_THAT(load_error(json), HasSubstr("model.max_input_chars_per_word"));
}

TEST(TokenizerJson, MalformedJsonIsReportedWithItsPlace) {
  const auto error = [](const char* text) {
    return error_of([&] { Tokenizer::from_json(text, "dir/tokenizer.json"); });
  };
  EXPECT_THAT(error("{\n \"model\": }"), HasSubstr("dir/tokenizer.json:2:11: "));
  EXPECT_THAT(error("[]"), HasSubstr("must hold an object"));
  EXPECT_THAT(error("{}"), HasSubstr("model is missing"));
  EXPECT_THAT(error(""), HasSubstr("dir/tokenizer.json"));
}

TEST(TokenizerJson, UnknownTokenOutsideTheVocabularyFailsOnlyWhenNeeded) {
  Json json = small_tokenizer_json();
  json["model"]["unk_token"] = "<none>";
  const Tokenizer tokenizer = make_tokenizer(json);
  EXPECT_EQ(pieces(tokenizer, "ab"), "ab");
  EXPECT_THAT(error_of([&] { tokenizer.encode("x", false); }), HasSubstr("<none>"));
}

// Each Replace doubles the text; without a limit sixty of them would ask for 2^60 bytes.
TEST(TokenizerJson, RulesThatMultiplyTheTextAreStopped) {
  Json json = small_tokenizer_json();
  Json steps = Json::array();
  for (int i = 0; i < 60; ++i) {
    steps.push_back({{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}});
  }
  json["normalizer"] = {{"type", "Sequence"}, {"normalizers", steps}};
  const Tokenizer tokenizer = make_tokenizer(json);
  EXPECT_THAT(error_of([&] { tokenizer.encode("a", false); }), HasSubstr("the tokenizer's rules"));
}

TEST(TokenizerJson, OneHugeWordIsMergedInReasonableTime) {
  const Tokenizer tokenizer = make_tokenizer(small_tokenizer_json());
  std::string text;
  for (int i = 0; i < 300000; ++i) text += "abcab";
  EXPECT_EQ(tokenizer.encode(text, false).size(), 600000u);
}

}  // namespace tokenizer_json_test
}  // namespace svtune
