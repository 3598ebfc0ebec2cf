// String helpers against hand-made cases and the Unicode standard's tables.
#include "base/text_util.h"

#include <gtest/gtest.h>

#include "base/errors.h"

namespace svtune {
namespace text_util_test {

TEST(TextUtil, SplitAndJoinAreInverse) {
  const auto parts = split("a,,b,", ',');
  ASSERT_EQ(parts.size(), 4U);
  EXPECT_EQ(parts[1], "");
  const std::vector<std::string> owned(parts.begin(), parts.end());
  EXPECT_EQ(join(owned, ","), "a,,b,");
  EXPECT_EQ(split("", ',').size(), 1U);
}

TEST(TextUtil, LongListsAreCutAndCounted) {
  const std::vector<std::string> letters = {"a", "b", "c", "d", "e", "f", "g"};
  EXPECT_EQ(join_some(letters, ", "), "a, b, c, d, e and 2 more");
  EXPECT_EQ(join_some(letters, "; ", 6), "a; b; c; d; e; f and 1 more");
  EXPECT_EQ(join_some(letters, "; ", 7), join(letters, "; "));
}

TEST(TextUtil, TrimReplaceLower) {
  EXPECT_EQ(trim(" \t x y\r\n"), "x y");
  EXPECT_EQ(trim(" \n"), "");
  EXPECT_EQ(replace_all("aXbXX", "X", "YX"), "aYXbYXYX");
  EXPECT_EQ(replace_all("abc", "", "z"), "abc");
  EXPECT_EQ(to_lower_ascii("AbÉ"), "abÉ");
}

TEST(TextUtil, ByteOrderMarksGo) {
  EXPECT_EQ(without_byte_order_mark("\uFEFFa"), "a");
  EXPECT_EQ(without_byte_order_mark("a\uFEFF"), "a\uFEFF");
  EXPECT_EQ(without_byte_order_mark(""), "");
}

TEST(TextUtil, ControlCharactersBecomeSpaces) {
  EXPECT_EQ(without_controls("a\x1B[31m\tb\n c\x7F\u00E9"), "a [31m b\n c \u00E9");
  // Terminals take U+009B for the two characters that begin a command, too.
  EXPECT_EQ(without_controls("a\xC2\x9B m\xC2\x80\u00A0\u00C2"), "a  m \u00A0\u00C2");
}

TEST(TextUtil, WordsOfACommandAreQuotedWhereAShellNeedsIt) {
  EXPECT_EQ(shell_word("runs/one-2/config.json"), "runs/one-2/config.json");
  EXPECT_EQ(shell_word("my run"), "'my run'");
  EXPECT_EQ(shell_word("it's $HOME"), "'it'\\''s $HOME'");
  EXPECT_EQ(shell_word(""), "''");
}

TEST(TextUtil, NearestNameFindsTyposOnly) {
  const std::vector<std::string> names = {"--learning-rate", "--rank", "--target-modules"};
  EXPECT_EQ(nearest_name("--learnig-rate", names), "--learning-rate");
  EXPECT_EQ(nearest_name("--learning_rate", names), "--learning-rate");
  EXPECT_EQ(nearest_name("--RANK", names), "--rank");
  EXPECT_EQ(nearest_name("--rnak", names), "--rank");
  EXPECT_EQ(nearest_name("--quantize-base", names), "");
  EXPECT_EQ(nearest_name("", names), "");
  EXPECT_EQ(nearest_name(std::string(100000, 'a'), names), "");
}

TEST(TextUtil, Utf8ValidityFollowsTheStandardsTable) {
  for (const char* good : {"", "plain", "é", "€", "😀", "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF"}) {
    EXPECT_TRUE(is_valid_utf8(good)) << good;
  }
  for (const char* bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\xE2\x28\xA1", "\xFF"}) {
    EXPECT_FALSE(is_valid_utf8(bad));
  }
  EXPECT_EQ(find_invalid_utf8("0123456789\xFF"), 10U);
}

TEST(TextUtil, InvalidPartsBecomeOneReplacementEach) {
  // CPython: b"a\xf0\x9f\x98b\xe2\x82\x28\xff".decode("utf-8", "replace")
  EXPECT_EQ(replace_invalid_utf8("a\xF0\x9F\x98"
                                 "b\xE2\x82\x28\xFF"),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD\x28\xEF\xBF\xBD");
  EXPECT_EQ(replace_invalid_utf8("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(TextUtil, CodePointsRoundTrip) {
  for (std::uint32_t code : {0x0U, 0x7FU, 0x80U, 0x7FFU, 0x800U, 0xFFFDU, 0x10000U, 0x10FFFFU}) {
    std::string text;
    append_utf8(text, code);
    EXPECT_TRUE(is_valid_utf8(text));
    std::size_t pos = 0;
    EXPECT_EQ(decode_utf8(text, pos), code);
    EXPECT_EQ(pos, text.size());
  }
}

TEST(TextUtil, NumbersForPeople) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1536), "1.50 KiB");
  EXPECT_EQ(format_bytes(std::uint64_t{3} << 30), "3.00 GiB");
  EXPECT_EQ(format_bytes((1 << 20) - 1), "1.00 MiB");
  EXPECT_EQ(format_count(134515008), "134,515,008");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_short_count(950), "950");
  EXPECT_EQ(format_short_count(134515008), "135M");
  EXPECT_EQ(format_short_count(7241732096), "7.24B");
  EXPECT_EQ(format_short_count(999999), "1.00M");
}

TEST(TextUtil, SizesAreBytes) {
  EXPECT_EQ(parse_size("4G"), 4ll << 30);
  EXPECT_EQ(parse_size("4 gib"), 4ll << 30);
  EXPECT_EQ(parse_size("4GB"), 4000000000);
  EXPECT_EQ(parse_size("1.5k"), 1536);
  EXPECT_EQ(parse_size("900M"), 900ll << 20);
  EXPECT_EQ(parse_size("2TiB"), 2ll << 40);
  EXPECT_EQ(parse_size("123"), 123);
  EXPECT_EQ(parse_size("123B"), 123);
  EXPECT_EQ(parse_size("4e9"), 4000000000);
  for (const char* text : {"", "G", "4X", "4Gi", "4 G B", "-1G", "4G5", "9e18K", "1,5G", "0x10"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
}

TEST(ErrorHint, WhatIsAddedIsASentenceOfItsOwn) {
  const auto hint_of = [](const char* first) {
    Error error("it broke", first);
    error.add_to_hint("Leave it out.");
    return error.hint();
  };
  EXPECT_EQ(hint_of(""), "Leave it out.");
  EXPECT_EQ(hint_of("check the path"), "check the path. Leave it out.");
  EXPECT_EQ(hint_of("Check the path."), "Check the path. Leave it out.");
}

}  // namespace text_util_test
}  // namespace svtune
