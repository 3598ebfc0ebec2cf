#include "text/vocab_txt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/files.h"
#include "base/oracle_test_util.h"
#include "text/tokenizer_test_util.h"

namespace svtune {
namespace vocab_txt_test {

using test::error_of;
using test::pieces;
using test::TempDirectory;
using testing::HasSubstr;

const std::string kVocabulary =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##able\naffable\n##aff\n,\n";

Tokenizer load(const TempDirectory& dir, const std::string& vocabulary, const std::string& config) {
  write_file_atomic(dir / "vocab.txt", vocabulary);
  write_file_atomic(dir / "tokenizer_config.json", config);
  return Tokenizer::load(dir.path());
}

TEST(VocabTxt, WordsAreCutIntoTheLongestTokens) {
  const TempDirectory dir;
  const Tokenizer tokenizer = load(dir, kVocabulary, "{}");
  EXPECT_EQ(pieces(tokenizer, "Unaffable,affable", true), "[CLS]|un|##aff|##able|,|affable|[SEP]");
  EXPECT_EQ(pieces(tokenizer, "unx \tun[MASK]"), "[UNK]|un|[MASK]");
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("unaffable, un", true), true), "unaffable, un");
  EXPECT_EQ(tokenizer.pad_id(), 0);
  EXPECT_EQ(tokenizer.unk_id(), 1);
}

TEST(VocabTxt, ConfigurationDecidesOnLowerCaseAndAccents) {
  const TempDirectory dir;
  const Tokenizer cased = load(dir, kVocabulary + "Un\n\xC3\xA9\n", R"({"do_lower_case": false})");
  EXPECT_EQ(pieces(cased, "Un un \xC3\xA9 \xC3\x89"), "Un|un|\xC3\xA9|[UNK]");
  const Tokenizer accents = load(dir, kVocabulary + "\xC3\xA9\n", R"({"strip_accents": false})");
  EXPECT_EQ(pieces(accents, "\xC3\x89"), "\xC3\xA9");
}

TEST(VocabTxt, LongWordsAreUnknown) {
  const TempDirectory dir;
  const Tokenizer tokenizer = load(dir, kVocabulary + "a\n##a\n", "{}");
  EXPECT_EQ(tokenizer.encode(std::string(100, 'a'), false).size(), 100U);
  EXPECT_EQ(pieces(tokenizer, std::string(101, 'a')), "[UNK]");
}

TEST(VocabTxt, FilesOfOtherModelsAreRefused) {
  const TempDirectory dir;
  EXPECT_THAT(error_of([&] { load(dir, "a\nb\n", "{}"); }), HasSubstr("has no token [UNK]"));
  EXPECT_THAT(error_of([&] { load(dir, kVocabulary, R"({"tokenizer_class": "EsmTokenizer"})"); }),
              HasSubstr("EsmTokenizer"));
  EXPECT_THAT(error_of([&] { load(dir, kVocabulary + "\xFF\n", "{}"); }),
              HasSubstr("line 11 is not valid UTF-8"));
}

}  // namespace vocab_txt_test
}  // namespace svtune
