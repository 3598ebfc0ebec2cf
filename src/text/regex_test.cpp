#include "text/regex.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/text_util.h"
#include "text/split_scanner.h"
#include "text/tokenizer_test_util.h"

namespace svtune {
namespace regex_test {

using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> matches(const std::string& pattern, const std::string& text) {
  std::vector<std::string> out;
  Regex(pattern, "f").for_each_match(text, [&](MatchRange match) {
    out.push_back(text.substr(match.begin, match.end - match.begin));
  });
  return out;
}

TEST(Regex, MatchesFollowOnigurumaForSpacesWordsAndHexDigits) {
  // U+180E is no white space there; U+0301 is a word character; \h is a hexadecimal digit.
  EXPECT_THAT(matches(R"(\s+)", "a\xC2\xA0 b\xE1\xA0\x8E"), ElementsAre("\xC2\xA0 "));
  EXPECT_THAT(matches(R"([^\S\n])", "\xE1\xA0\x8E\t\n"), ElementsAre("\t"));
  EXPECT_THAT(matches(R"(\w+)", "e\xCC\x81x-y"), ElementsAre("e\xCC\x81x", "y"));
  EXPECT_THAT(matches(R"(\h+)", "xAF09gz"), ElementsAre("AF09"));
  EXPECT_THAT(matches(R"(\b\w)", "ab c"), ElementsAre("a", "c"));
}

TEST(Regex, LettersOfUnicode16AreKnown) {
  EXPECT_THAT(matches(R"(\p{L}+)", "a\xF0\x96\x84\x80\x20"), ElementsAre("a\xF0\x96\x84\x80"));
  EXPECT_THAT(matches(R"([^\p{L}]+)", "\xF0\x96\x84\x80 1"), ElementsAre(" 1"));
  EXPECT_THAT(matches(R"(\P{L}+)", "\xF0\x96\x84\x80 1"), ElementsAre(" 1"));
}

TEST(Regex, EmptyMatchesAdvanceByCharacters) {
  EXPECT_THAT(matches("x*", "aéx"), ElementsAre("", "", "x"));
}

TEST(Regex, DotAllAndLineAnchorsAreRubys) {
  EXPECT_THAT(matches("(?m:a.)", "a\n"), ElementsAre("a\n"));
  EXPECT_THAT(matches("a.", "a\n"), ElementsAre());
  EXPECT_THAT(matches("^b$", "a\nb\nc"), ElementsAre("b"));
}

TEST(Regex, ConstructsWithoutEquivalentAreRefusedByName) {
  const auto error = [](const std::string& pattern) {
    return error_of([&] { Regex(pattern, "file.json"); });
  };
  EXPECT_THAT(error("[a&&b]"), HasSubstr("&&"));
  EXPECT_THAT(error("[a[b]]"), HasSubstr("a class inside a class"));
  EXPECT_THAT(error("a{1,2}+"), HasSubstr("{n,m}+"));
  EXPECT_THAT(error("(?<n>a)\\g<n>"), HasSubstr("\\g"));
  EXPECT_THAT(error("(*FAIL)"), HasSubstr("(*...)"));
  EXPECT_THAT(error("\\X"), HasSubstr("\\X"));
  EXPECT_THAT(error("(a"), HasSubstr("file.json"));
  EXPECT_THAT(error("a\\"), HasSubstr("a backslash at the end"));
}

TEST(Regex, RunawayPatternsStopWithAnError) {
  const std::string text(200, 'a');
  EXPECT_THAT(error_of([&] { matches("(a+a+)+[bc]", text); }), HasSubstr("(a+a+)+[bc]"));
}

// The hand-written scanners against the expressions that they replace.
TEST(SplitScanner, PiecesEqualTheRegularExpression) {
  const std::string text =
      "I'll we'Re 'S 'sx ''s 'ſ \xC5\xBF 12345 1234567 a1b2 (x)  =  y\n\n \t z \r\n  \n\nq  "
      "\xE3\x80\x80w "
      "e\xCC\x81\xF0\x9F\x98\x80!? \xE4\xBD\xA0\xE5\xA5\xBD\xC2\xB2\xC2\xBC $5.00\n'll\xE2\x80\xA8 "
      "'";
  for (const auto pattern :
       {SplitPattern::kGpt2, SplitPattern::kThreeDigits, SplitPattern::kOneDigit}) {
    const std::string regex(split_pattern_regex(pattern));
    EXPECT_EQ(known_split_pattern(regex), pattern);
    for (std::size_t start = 0; start < text.size(); ++start) {
      if ((static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) continue;
      const std::string part = text.substr(start, 60 + start % 40);
      const std::size_t valid = find_invalid_utf8(part);
      const std::string subject = part.substr(0, valid);
      std::vector<std::string> scanned;
      for (std::size_t at = 0; at < subject.size();) {
        const std::size_t end = split_piece_end(pattern, subject, at);
        scanned.push_back(subject.substr(at, end - at));
        at = end;
      }
      ASSERT_EQ(scanned, matches(regex, subject)) << subject;
    }
  }
}

}  // namespace regex_test
}  // namespace svtune
