// JSON: the tolerated extensions, the refused malformations with their place, and the
// spelling of Python's json module (expected strings come from CPython 3.11).
#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/errors.h"

namespace svtune {
namespace json_test {

using ::testing::HasSubstr;

std::string error_of(const std::string& text, JsonOptions options = {}) {
  try {
    parse_json(text, "f.json", options);
  } catch (const FileError& error) {
    return error.what();
  }
  return "";
}

TEST(Json, ReadsEveryKindOfValueAndKeepsKeyOrder) {
  const Json json =
      parse_json(R"( {"z": [1, -2, 3.5, 1e3, true, false, null], "a": {}, "m": "x\ty"} )", "t");
  EXPECT_EQ(dump_json(json),
            R"({"z": [1, -2, 3.5, 1000.0, true, false, null], "a": {}, "m": "x\ty"})");
}

TEST(Json, AcceptsWhatModelFilesContain) {
  const Json json = parse_json(
      "\xEF\xBB\xBF[NaN, Infinity, -Infinity, "
      "1000000000000000019884624838656, 18446744073709551615, "
      "-9223372036854775808, 1e400]",
      "t");
  EXPECT_TRUE(std::isnan(json[0].get<double>()));
  EXPECT_EQ(json[1].get<double>(), INFINITY);
  EXPECT_EQ(json[2].get<double>(), -INFINITY);
  EXPECT_EQ(json[3].get<double>(), 1000000000000000019884624838656.0);
  EXPECT_EQ(json[4].get<std::uint64_t>(), UINT64_MAX);
  EXPECT_EQ(json[5].get<std::int64_t>(), INT64_MIN);
  EXPECT_EQ(json[6].get<double>(), INFINITY);
}

TEST(Json, DecodesEscapesAndReplacesLoneSurrogates) {
  const auto text = [](const std::string& json) {
    return parse_json(json, "t").get<std::string>();
  };
  EXPECT_EQ(text(R"("\u00e9\u20ac\ud83d\ude00")"), "é€😀");
  EXPECT_EQ(text(R"("\ud83dA")"),
            "\xEF\xBF\xBD"
            "A");
  EXPECT_EQ(text(R"("\ud83d\u0041")"),
            "\xEF\xBF\xBD"
            "A");
  EXPECT_EQ(text(R"("\ude00")"), "\xEF\xBF\xBD");
  EXPECT_EQ(text(R"("\"\\\/\b\f\n\r\t")"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(text(R"("\u0000")"), std::string(1, '\0'));
}

TEST(Json, ErrorsNameLineAndColumn) {
  EXPECT_THAT(error_of("{\n  \"a\": tru\n}"), HasSubstr("f.json:2:8: malformed JSON"));
  EXPECT_THAT(error_of("[1,]"), HasSubstr("1:4"));
  EXPECT_THAT(error_of("{\"a\" 1}"), HasSubstr("need ':'"));
  EXPECT_THAT(error_of("{1: 2}"), HasSubstr("need a key"));
  EXPECT_THAT(error_of("[1] 2"), HasSubstr("after the end"));
  EXPECT_THAT(error_of(""), HasSubstr("unexpected end"));
  EXPECT_THAT(error_of("\"a"), HasSubstr("closing quote"));
  EXPECT_THAT(error_of("\"a\nb\""), HasSubstr("control character"));
  EXPECT_THAT(error_of("{\n \"a\": tru\n}", {.first_line = 7}), HasSubstr("f.json:8:7: "));
  EXPECT_THAT(error_of("\"\xff\""), HasSubstr("1:2: malformed JSON: invalid UTF-8"));
  for (const char* bad : {"01", "1.", "-", "1e", "+1", ".5", "nan", "'a'", "[", "{", "\"\\x\"",
                          "\"\\u12g4\"", "\"\\u12", "[1 2]", "{\"a\":1 \"b\":2}"}) {
    EXPECT_THAT(error_of(bad), HasSubstr("malformed JSON")) << bad;
  }
}

TEST(Json, Utf16IsNamed) {
  for (const std::string_view text :
       {std::string_view("\xFF\xFE{\0}\0", 6), std::string_view("\xFE\xFF\0{", 4)}) {
    try {
      parse_json(text, "a.json");
      FAIL() << "UTF-16 was read";
    } catch (const FileError& error) {
      EXPECT_STREQ(error.what(), "a.json:1:1: malformed JSON: the text is UTF-16, need UTF-8");
    }
  }
}

TEST(Json, DepthIsLimited) {
  const std::string deep = std::string(65, '[') + std::string(65, ']');
  EXPECT_EQ(error_of(deep), "");
  EXPECT_THAT(error_of("[" + deep + "]"), HasSubstr("deeper than 64"));
  EXPECT_THAT(error_of(std::string(1000000, '[')), HasSubstr("deeper than 64"));
}

TEST(Json, DuplicateKeysKeepTheLastValueOrAreRefused) {
  EXPECT_EQ(dump_json(parse_json(R"({"a": 1, "b": 2, "a": 3})", "t")), R"({"a": 3, "b": 2})");
  JsonOptions strict;
  strict.reject_duplicate_keys = true;
  EXPECT_THAT(error_of(R"({"a": 1, "a": 3})", strict), HasSubstr("1:10: malformed JSON: key"));
  EXPECT_THAT(error_of(R"({"x": [{"a": 1, "a": 3}]})", strict), HasSubstr("\"a\" occurs twice"));
  EXPECT_EQ(error_of(R"({"a": [1], "a": [1]})", strict), "") << "says the same";
  std::string many = "{";
  for (int i = 0; i < 1000; ++i) many += "\"k" + std::to_string(i) + "\": 0, ";
  EXPECT_EQ(error_of(many + "\"end\": 1}", strict), "");
  EXPECT_THAT(error_of(many + "\"k500\": 1}", strict), HasSubstr("\"k500\" occurs twice"));
  EXPECT_EQ(parse_json(many + "\"k500\": 1}", "t")["k500"], 1);
}

TEST(Json, LargeObjectsParseInLinearTime) {
  // Quadratic insertion would need about 10^10 comparisons here.
  std::string text = "{";
  for (int i = 0; i < 200000; ++i) text += "\"token number " + std::to_string(i) + "\":0,";
  EXPECT_EQ(parse_json(text + "\"end\":1}", "t").size(), 200001U);
}

TEST(Json, FloatsAreSpelledAsPythonDoes) {
  const std::pair<double, const char*> cases[] = {
      {1e-5, "1e-05"},         {1e-4, "0.0001"},
      {10000, "10000.0"},      {1e15, "1000000000000000.0"},
      {1e16, "1e+16"},         {0.1, "0.1"},
      {-0.0, "-0.0"},          {1.5e300, "1.5e+300"},
      {5e-324, "5e-324"},      {123456.789, "123456.789"},
      {1e22, "1e+22"},         {3.0000000000000004, "3.0000000000000004"},
      {-2.5e-7, "-2.5e-07"},   {NAN, "NaN"},
      {-INFINITY, "-Infinity"}};
  for (const auto& [value, expected] : cases) EXPECT_EQ(python_float(value), expected);
}

TEST(Json, DumpStylesMatchPython) {
  const Json json = parse_json(R"({"b": [1, {"y": [], "x": {}}], "a": "é\u0001😀\u007f"})", "t");
  EXPECT_EQ(dump_json(json, 2),
            "{\n  \"b\": [\n    1,\n    {\n      \"y\": [],\n      \"x\": {}\n    }\n  ],\n"
            "  \"a\": \"é\\u0001😀\x7f\"\n}");
  JsonStyle style;
  style.sort_keys = style.final_newline = style.ensure_ascii = true;
  EXPECT_EQ(dump_json(json, style),
            "{\"a\": \"\\u00e9\\u0001\\ud83d\\ude00\x7f\", \"b\": [1, {\"x\": {}, \"y\": []}]}\n");
}

TEST(Json, DumpThenParseGivesTheSameValue) {
  const Json json = parse_json(R"({"a": [0.1, 1e-320, 18446744073709551615, "\ufffd\n"]})", "t");
  EXPECT_EQ(parse_json(dump_json(json, 1), "t"), json);
}

}  // namespace json_test
}  // namespace svtune
