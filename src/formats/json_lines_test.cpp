// Files of JSON lines: what is no such file is named by its kind, the rest by line.
#include "formats/json_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/oracle_test_util.h"

namespace svtune {
namespace json_lines_test {

using ::testing::HasSubstr;
using namespace std::string_literals;

// What reading a file of that name and content says.
std::string said_of(const std::string& name, const std::string& content) {
  const test::TempDirectory dir;
  write_file_atomic(dir / name, content);
  try {
    for_each_json_line(dir / name, [](std::int64_t, const Json&) {});
  } catch (const FileError& error) {
    return std::string(error.what()) + " | " + error.hint();
  }
  return "";
}

TEST(JsonLines, FilesOfOtherKindsAreNamed) {
  EXPECT_THAT(said_of("a.jsonl", "\xFF\xFE{\0\"\0"s), HasSubstr("a.jsonl: is UTF-16 text | "));
  EXPECT_THAT(said_of("a.jsonl", "\xFF\xFE\0\0{\0\0\0"s), HasSubstr("a.jsonl: is UTF-32 text | "));
  EXPECT_THAT(said_of("a.jsonl", "PAR1\0\1"s), HasSubstr("is a Parquet file | Make JSON lines"));
  EXPECT_THAT(said_of("a.csv", "prompt\nhello\n"), HasSubstr("looks like CSV"));
  EXPECT_THAT(said_of("a.json", "\xEF\xBB\xBF\n[\n{\"prompt\": \"a\"}\n]\n"),
              HasSubstr("a.json: is a JSON array, need a JSON object on each line | Make lines"));
}

TEST(JsonLines, OnesWithAMarkAndBlankLinesAreRead) {
  EXPECT_EQ(said_of("a.jsonl", "\xEF\xBB\xBF{\"a\": 1}\r\n\n{\"b\": [1, 2]}"), "");
  EXPECT_EQ(said_of("a.jsonl", ""), "");
  EXPECT_THAT(said_of("a.jsonl", "{}\n[]\n"), HasSubstr("a.jsonl:2: need a JSON object"));
}

TEST(JsonLines, HalvesOfCharactersAreCountedByLines) {
  const test::TempDirectory dir;
  write_file_atomic(dir / "a.jsonl",
                    "{\"a\": \"\\ud83d\", \"b\": \"\\ude42\"}\n{\"a\": \"\\ud83d\\ude42\"}\n"
                    "{\"\\ud83d\": 1}");
  std::vector<Json> lines;
  const std::int64_t replaced = for_each_json_line(
      dir / "a.jsonl", [&](std::int64_t, Json line) { lines.push_back(std::move(line)); });
  EXPECT_EQ(replaced, 2);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0]["a"], "\xEF\xBF\xBD");
  EXPECT_EQ(surrogates_text("a.jsonl", replaced, "line"),
            "a.jsonl: 2 lines with half a character (a lone surrogate, as \\ud83d), "
            "read as U+FFFD");
  EXPECT_EQ(surrogates_text("a.jsonl", 0, "line"), "");
}

}  // namespace json_lines_test
}  // namespace svtune
