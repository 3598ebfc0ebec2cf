#include "text/sentencepiece_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/oracle_test_util.h"
#include "text/tiktoken.h"
#include "text/tokenizer_test_util.h"

namespace svtune {
namespace sentencepiece_tokenizer_test {

using test::error_of;
using test::pieces;
using test::TempDirectory;
using testing::HasSubstr;

std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  return out + static_cast<char>(value);
}

std::string bytes_field(int field, const std::string& content) {
  return varint(field << 3 | 2) + varint(content.size()) + content;
}

std::string number_field(int field, std::uint64_t value) {
  return varint(field << 3) + varint(value);
}

std::string piece(const std::string& text, float score, int type) {
  std::string raw(4, '\0');
  std::memcpy(raw.data(), &score, 4);
  return bytes_field(1, bytes_field(1, text) + varint(2 << 3 | 5) + raw + number_field(3, type));
}

std::string trainer(int model_type) {
  return bytes_field(2, number_field(3, model_type) + number_field(35, 1) + number_field(40, 0) +
                            number_field(41, 1) + number_field(42, 2) +
                            number_field(43, ~std::uint64_t{0}));
}

std::string normalizer(bool trim) {
  return bytes_field(3, number_field(3, 1) + number_field(4, trim ? 1 : 0) + number_field(5, 1));
}

// "aa" and "ab" have equal scores, so the leftmost of them joins first.
std::string small_pieces() {
  return piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3) + piece("<0x0A>", 0, 6) +
         piece("aa", -1, 1) + piece("ab", -1, 1) + piece("▁a", -2, 1) + piece("▁", -3, 1) +
         piece("a", -4, 1) + piece("b", -5, 1) + piece("[X]", 0, 4);
}

Tokenizer load_model(const TempDirectory& dir, const std::string& model) {
  write_file_atomic(dir / "tokenizer.model", model);
  return Tokenizer::load(dir.path());
}

TEST(SentencePiece, OneSpaceGoesInFrontOfTheText) {
  const TempDirectory dir;
  const Tokenizer tokenizer = load_model(dir, small_pieces() + trainer(2) + normalizer(false));
  EXPECT_EQ(pieces(tokenizer, "b a", true), "<s>|▁|b|▁a");
  EXPECT_EQ(pieces(tokenizer, " b"), "▁|▁|b");
  EXPECT_EQ(pieces(tokenizer, "</s>b[X]b"), "</s>|b|[X]|b");
  EXPECT_EQ(pieces(tokenizer, "\n\t"), "▁|<0x0A>|<unk>");
  EXPECT_EQ(pieces(tokenizer, ""), "");
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("b  a\n", true), true), "b  a\n");
  EXPECT_EQ(tokenizer.pad_id(), std::nullopt);
  EXPECT_EQ(tokenizer.eos_id(), 2);
}

TEST(SentencePiece, LegacyPutsASpaceInFrontOfEverySection) {
  const TempDirectory dir;
  write_file_atomic(dir / "tokenizer_config.json",
                    R"({"legacy": true, "add_bos_token": false, "add_eos_token": true})");
  const Tokenizer tokenizer = load_model(dir, small_pieces() + trainer(2) + normalizer(false));
  EXPECT_EQ(pieces(tokenizer, "</s>b", true), "</s>|▁|b|</s>");
}

TEST(SentencePiece, EqualScoresJoinLeftmostFirst) {
  const TempDirectory dir;
  const Tokenizer tokenizer = load_model(dir, small_pieces() + trainer(2) + normalizer(false));
  EXPECT_EQ(pieces(tokenizer, "baab"), "▁|b|aa|b");
}

TEST(SentencePiece, ExtraSpacesAreRemovedWhenTheModelSaysSo) {
  const TempDirectory dir;
  const Tokenizer tokenizer = load_model(dir, small_pieces() + trainer(2) + normalizer(true));
  EXPECT_EQ(pieces(tokenizer, "  b   b "), "▁|b|▁|b");
}

TEST(SentencePiece, ModelsOfOtherKindsAreRefusedByName) {
  const TempDirectory dir;
  const auto error = [&](const std::string& model) {
    return error_of([&] { load_model(dir, model); });
  };
  EXPECT_THAT(error(small_pieces() + trainer(3)), HasSubstr("word or character"));
  EXPECT_THAT(error(small_pieces() + trainer(2) + bytes_field(3, bytes_field(2, "xx"))),
              HasSubstr("character map has only 2 bytes"));
  write_file_atomic(dir / "tokenizer_config.json", R"({"tokenizer_class": "XLMRobertaTokenizer"})");
  EXPECT_THAT(error(small_pieces() + trainer(1)), HasSubstr("XLMRobertaTokenizer"));
  write_file_atomic(dir / "tokenizer_config.json", R"({"split_by_punct": true})");
  EXPECT_THAT(error(small_pieces() + trainer(1)), HasSubstr("split_by_punct"));
  write_file_atomic(dir / "tokenizer_config.json", "{}");
  EXPECT_THAT(error(small_pieces() + piece("u", 0, 5) + trainer(2)), HasSubstr("UNUSED"));
  EXPECT_THAT(error(trainer(2)), HasSubstr("no SentencePiece pieces"));
}

TEST(SentencePiece, UnigramsTakeTheCutOfHighestScore) {
  // "▁" + "ab" + "a" sum to -8, "▁a" + "b" + "a" to -11.
  const TempDirectory dir;
  const Tokenizer tokenizer = load_model(dir, small_pieces() + trainer(1) + normalizer(true));
  EXPECT_EQ(pieces(tokenizer, "aba"), "▁|ab|a");
  EXPECT_EQ(pieces(tokenizer, " a  c[X] "), "▁a|▁|<unk>|[X]");
}

TEST(SentencePiece, EveryTruncationIsAnErrorOrAModel) {
  const std::string model = small_pieces() + trainer(2) + normalizer(false);
  int errors = 0;
  for (std::size_t size = 0; size < model.size(); ++size) {
    errors += !error_of([&] {
                 read_sentencepiece_tokenizer(model.substr(0, size), "f", {},
                                              SentencePieceRule::kSentencePiece);
               }).empty();
  }
  EXPECT_GT(errors, static_cast<int>(model.size()) / 2);
}

TEST(SentencePiece, LengthsBeyondTheFileAreReportedWithTheirByte) {
  const auto error = [](const std::string& model) {
    return error_of(
        [&] { read_sentencepiece_tokenizer(model, "m", {}, SentencePieceRule::kSentencePiece); });
  };
  EXPECT_THAT(error("\x0A\xFF\xFF\xFF\xFF\x0F"),
              HasSubstr("m: byte 6: a field of 4294967295 bytes"));
  EXPECT_THAT(error(std::string(12, '\xFF')), HasSubstr("more than ten bytes"));
  EXPECT_THAT(error("\x0B"), HasSubstr("not valid protobuf"));
  EXPECT_THAT(error(piece("\xFF", 0, 1)), HasSubstr("piece 0 is not valid UTF-8"));
}

TEST(Tiktoken, RanksDecideTheMergesAndWholeWordsStay) {
  // a b ab abb, and "bb" with a lower rank than "ab".
  const std::string ranks = "YQ== 0\nYg== 1\nYmI= 2\nYWI= 3\nYWJi 4\n";
  ASSERT_TRUE(looks_like_tiktoken(ranks));
  const TempDirectory dir;
  const Tokenizer tokenizer = load_model(dir, ranks);
  EXPECT_EQ(pieces(tokenizer, "abb"), "abb");
  EXPECT_EQ(pieces(tokenizer, "abba"), "abb|a");
  EXPECT_EQ(pieces(tokenizer, "aba"), "ab|a");
  EXPECT_EQ(tokenizer.vocab_size(), 5);
}

TEST(Tiktoken, MalformedLinesAreReportedByNumber) {
  const TempDirectory dir;
  EXPECT_THAT(error_of([&] { load_model(dir, "YQ== 0\nYg=x 1\n"); }), HasSubstr("line 2"));
  EXPECT_THAT(error_of([&] { load_model(dir, "YQ== 0\nYg== 99999999\n"); }),
              HasSubstr("rank 99999999"));
}

}  // namespace sentencepiece_tokenizer_test
}  // namespace svtune
