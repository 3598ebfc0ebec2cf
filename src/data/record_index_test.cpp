// Records of JSONL and JSON arrays: the same records whatever the packaging, and errors that
// name the line.
#include "data/record_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <string>

#include "base/errors.h"
#include "base/files.h"
#include "base/oracle_test_util.h"
#include "base/random.h"

namespace svtune {
namespace record_index_test {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

RecordIndexOptions any_object(bool skip = false) {
  RecordIndexOptions options;
  options.skip_bad_lines = skip;
  options.check = [](const Json&) { return std::string(); };
  return options;
}

class RecordIndexTest : public ::testing::Test {
 protected:
  std::filesystem::path file(const std::string& content, const std::string& name = "d.jsonl") {
    write_file_atomic(directory_ / name, content);
    return directory_ / name;
  }
  std::vector<std::string> records(const std::string& content, bool skip = false) {
    const RecordIndex index(file(content), any_object(skip));
    std::vector<std::string> out;
    for (std::int64_t i = 0; i < index.size(); ++i) {
      out.push_back(std::to_string(index.line(i)) + ":" + dump_json(index.read(i)));
    }
    return out;
  }
  std::string error_of(const std::string& content) {
    try {
      records(content);
    } catch (const FileError& error) {
      return error.what();
    }
    return "no error";
  }

  test::TempDirectory directory_;
};

TEST_F(RecordIndexTest, AnyLinesAreTexts) {
  RecordIndexOptions options = any_object();
  options.lines = LineKind::kTexts;
  const std::string content = "[one, two],\n\n {\"three\": 3} \n\t\n  a,b\r\n  ";
  const RecordIndex index(file(content, "d.txt"), options);
  std::vector<std::string> texts;
  for (std::int64_t i = 0; i < index.size(); ++i) {
    texts.push_back(std::to_string(index.line(i)) + ":" + dump_json(index.read(i)));
  }
  EXPECT_THAT(texts,
              ElementsAre("1:{\"text\": \"[one, two],\"}", "3:{\"text\": \" {\\\"three\\\": 3} \"}",
                          "5:{\"text\": \"  a,b\"}"));
  EXPECT_THROW(RecordIndex(file("fine\n\xff\n", "e.txt"), options), FileError);
}

// Blanks that a chunk of the scanner ends in belong to the line that goes on in the next.
TEST_F(RecordIndexTest, IndentationIsKeptAcrossChunks) {
  RecordIndexOptions options = any_object();
  options.lines = LineKind::kTexts;
  const std::string before((std::size_t{1} << 20) - 3, 'x');
  const RecordIndex index(file(before + "\n      y \n", "d.txt"), options);
  ASSERT_EQ(index.size(), 2);
  EXPECT_EQ(index.read(1).at("text"), "      y ");
}

TEST_F(RecordIndexTest, LinesAreTextsUnlessTheFileBeginsAsJson) {
  RecordIndexOptions options = any_object();
  options.lines = LineKind::kTextsUnlessJson;
  const auto first = [&](const std::string& content) {
    return dump_json(RecordIndex(file(content, "d.txt"), options).read(0));
  };
  EXPECT_EQ(first("name,size,\none,2,\n"), "{\"text\": \"name,size,\"}");  // no table either
  EXPECT_EQ(first("\n [1] A note.\n"), "{\"text\": \" [1] A note.\"}");
  EXPECT_EQ(first("\xEF\xBB\xBF\n {\"a\": 1}\n"), "{\"a\": 1}");
  EXPECT_EQ(first("[\n {\"a\": 1}\n]\n"), "{\"a\": 1}");
  EXPECT_THROW(first("{\"a\": 1}\ntext\n"), FileError);
}

TEST_F(RecordIndexTest, TwoValuesOfOneKeyAreABadLine) {
  EXPECT_THAT(error_of("{\"a\": 1}\n{\"a\": 1, \"a\": 2}\n"),
              HasSubstr(":2:10: malformed JSON: key \"a\" occurs twice"));
  EXPECT_THAT(records("{\"a\": 1}\n{\"a\": 1, \"a\": 2}\n", /*skip=*/true),
              ElementsAre("1:{\"a\": 1}"));
}

TEST_F(RecordIndexTest, ReadsLinesWithMarkBlankLinesAndCrLf) {
  EXPECT_THAT(records("\xEF\xBB\xBF\r\n{\"a\": 1}\r\n\n  {\"a\":2} \n{\"a\":\"\\n\"}"),
              ElementsAre("2:{\"a\": 1}", "4:{\"a\": 2}", "5:{\"a\": \"\\n\"}"));
}

TEST_F(RecordIndexTest, ReadsArraysOverLines) {
  EXPECT_THAT(records(" [\n{\"a\": [1, {\"b\": \"}],\\\"\"}]},\n\n {\n\"a\":2} , {}\n]\n"),
              ElementsAre("2:{\"a\": [1, {\"b\": \"}],\\\"\"}]}", "4:{\"a\": 2}", "5:{}"));
  EXPECT_THAT(records("[]"), ElementsAre());
}

TEST_F(RecordIndexTest, NamesTheLineOfMalformedRecords) {
  EXPECT_THAT(error_of("{\"a\":1}\n{\"a\":\n"), HasSubstr("d.jsonl:2:6: malformed JSON"));
  EXPECT_THAT(error_of("{}\n\n[1]\n"), HasSubstr("d.jsonl:3: need a JSON object"));
  EXPECT_THAT(error_of("{}\n{\"a\": \"\xff\"}\n"), HasSubstr("d.jsonl:2: byte 7"));
  EXPECT_THAT(error_of("[{},\n{} {}]"), HasSubstr("d.jsonl:2:"));
  EXPECT_THAT(error_of("[{},\n]"), HasSubstr("d.jsonl:2:"));
  EXPECT_THAT(error_of("[{},\n{}"), HasSubstr("the JSON array is not closed"));
  EXPECT_THAT(error_of("[{}]\n{}"), HasSubstr("d.jsonl:2: there is text after"));
  EXPECT_THAT(error_of("[\"\\"), HasSubstr("the JSON array is not closed"));
}

TEST_F(RecordIndexTest, NamesCommasThatJsonDoesNotTake) {
  EXPECT_THAT(error_of("[{},\n{},\n]"), HasSubstr("d.jsonl:3: a comma without a record after it"));
  EXPECT_THAT(error_of("{\"a\":1},\n{}\n"), HasSubstr("d.jsonl:1: the line ends in a comma"));
  for (const char* text : {"{\n \"a\": 1\n}\n", "{\"a\": [\n1]}\n", "{\"a\": 1,\n\"b\": 2}\n"}) {
    EXPECT_THAT(error_of(text), HasSubstr(":1: the object goes on in the next line")) << text;
  }
  EXPECT_THAT(records("[{},\n{},\n]", true), ElementsAre("1:{}", "2:{}"));
}

TEST_F(RecordIndexTest, AStrayBraceCostsItsElementOnly) {
  EXPECT_THAT(error_of("[{\"a\":1},\n{\"a\":2}},\n{\"a\":3}]"), HasSubstr("d.jsonl:2:"));
  EXPECT_THAT(records("[{\"a\":1},\n{\"a\":2}},\n{\"a\":3}]", true),
              ElementsAre("1:{\"a\": 1}", "3:{\"a\": 3}"));
  EXPECT_THAT(error_of("[{},\n{\"a\": {},\n{}]"),
              HasSubstr("d.jsonl:2: the JSON array is not closed; its last element starts"));
}

TEST_F(RecordIndexTest, NamesFilesOfOtherKinds) {
  using namespace std::string_literals;
  const auto error_named = [&](const std::string& content, const std::string& name) {
    try {
      RecordIndex(file(content, name), any_object(true));
    } catch (const FileError& error) {
      return std::string(error.what()) + " " + error.hint();
    }
    return "no error"s;
  };
  EXPECT_THAT(error_named("PAR1\0\1"s, "d"), HasSubstr("d: is a Parquet file Make JSON lines"));
  EXPECT_THAT(error_named("\xFF\xFE{\0\"\0"s, "d"), HasSubstr("d: is UTF-16 text Convert it"));
  EXPECT_THAT(error_named("{\0\"\0a\0"s, "d"), HasSubstr("d: is UTF-16 text"));
  EXPECT_THAT(error_named("\xFE\xFF\0{"s, "d"), HasSubstr("d: is UTF-16 text"));
  EXPECT_THAT(error_named("prompt,completion\na,b\n", "d"), HasSubstr("looks like CSV"));
  EXPECT_THAT(error_named("text\nhello\n", "d.csv"), HasSubstr("looks like CSV"));
  EXPECT_THAT(error_named("prompt\tcompletion\na\tb\n", "d"), HasSubstr("looks like TSV"));
  EXPECT_THAT(error_named("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "d"),
              HasSubstr("is a Git LFS pointer"));
  EXPECT_THAT(error_named("BZh91AY", "d"), HasSubstr("bzip2"));
  for (const char* page : {"<!DOCTYPE html>\n", "\n <!doctype html>\n", "\xEF\xBB\xBF<HTML>"}) {
    EXPECT_THAT(error_named(page, "d"), HasSubstr("HTML page")) << page;
  }
  EXPECT_THAT(error_named("\x89PNG\r\n", "d"), HasSubstr("is a picture (PNG) Images are given as"));
  EXPECT_THAT(error_named("\xFF\xD8\xFF\xE0", "d"), HasSubstr("is a picture (JPEG)"));
  EXPECT_THAT(error_named("RIFF\x1E\0\0\0WEBPVP8 "s, "d"), HasSubstr("(RIFF)"));
  EXPECT_THAT(error_named("riff,mood\na,b\n", "d"), HasSubstr("looks like CSV"));
  EXPECT_THAT(error_named("%PDF-1.7\n", "d"), HasSubstr("is a PDF"));
  EXPECT_THAT(error_named("PK\3\4", "d"), HasSubstr("zip"));
  EXPECT_THAT(error_named("\xFF\xFE\0\0{\0\0\0"s, "d"), HasSubstr("d: is UTF-32 text"));
}

TEST_F(RecordIndexTest, LinesOfAnotherEncodingAreNamedAndPagesAreText) {
  using namespace std::string_literals;
  RecordIndexOptions lines = any_object();
  lines.lines = LineKind::kTexts;
  try {
    RecordIndex(file("a\0b\0\n\0"s, "d"), lines);
    FAIL() << "a byte of zero stands in every character";
  } catch (const FileError& error) {
    EXPECT_THAT(error.what(), HasSubstr("d: is UTF-16 text"));
  }
  EXPECT_EQ(RecordIndex(file("<html>\na,b\nc,d\n", "d.csv"), lines).size(), 3);
}

TEST_F(RecordIndexTest, FingerprintIsOfAllRecords) {
  const auto print = [&](const std::string& content) {
    return RecordIndex(file(content), any_object(true)).fingerprint();
  };
  EXPECT_EQ(print("{\"a\":1}\n{\"a\":2}\n"), print("[{\"a\":1},\n{\"a\":2}]"));
  EXPECT_NE(print("{\"a\":1}\n{\"a\":2}\n"), print("{\"a\":1}\n{\"a\":3}\n"));
  EXPECT_NE(print("{\"a\":1}\n{\"a\":2}\n"), print("{\"a\":2}\n{\"a\":1}\n"));
  EXPECT_NE(print("{\"a\":1}\n{}\n"), print("{\"a\":1}\n"));
}

TEST_F(RecordIndexTest, RecordsCanBeTakenOut) {
  RecordIndex index(file("{\"a\":0}\n{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n"), any_object(true));
  index.remove({0, 2}, {"one", "two"});
  ASSERT_EQ(index.size(), 2);
  EXPECT_EQ(index.read(0)["a"], 1);
  EXPECT_EQ(index.read(1)["a"], 3);
  EXPECT_EQ(index.num_bad(), 2);
  EXPECT_EQ(index.bad()[1].place, "3");
  EXPECT_EQ(index.bad()[1].problem, "two");
}

TEST_F(RecordIndexTest, NamesTheOtherFormWhereNoObjectBegins) {
  RecordIndexOptions options = any_object();
  options.other_form = "--table reads it.";
  const auto hint_of = [&](const std::string& content) {
    try {
      const RecordIndex index(file(content), options);
    } catch (const FileError& error) {
      return error.hint();
    }
    return std::string("no error");
  };
  EXPECT_THAT(hint_of("word O\n"), HasSubstr("--skip-bad-lines. --table reads it."));
  EXPECT_THAT(hint_of("{\"a\": 1\n"), testing::Not(HasSubstr("--table")));
}

TEST_F(RecordIndexTest, SkipsAndListsMalformedRecords) {
  const RecordIndex index(file("{}\nnope\n{\"a\":1}\n[]\n"), any_object(true));
  EXPECT_EQ(index.size(), 2);
  EXPECT_EQ(index.num_bad(), 2);
  ASSERT_EQ(index.bad().size(), 2u);
  EXPECT_EQ(index.bad()[0].place, "2:1");
  EXPECT_EQ(index.bad()[1].place, "4");
  EXPECT_EQ(index.bad()[1].problem, "need a JSON object");
}

TEST_F(RecordIndexTest, RefusesRecordsAbove16MiB) {
  const std::string huge = "{\"a\":\"" + std::string(19 << 20, 'x') + "\"}\n";
  EXPECT_THAT(error_of("{}\n" + huge), HasSubstr("d.jsonl:2: the record is longer than 16 MiB"));
  EXPECT_THAT(records(huge + "{\"b\":1}\n" + huge + "{\"c\":1}", true),
              ElementsAre("2:{\"b\": 1}", "4:{\"c\": 1}"));
  EXPECT_THAT(records("[" + huge + ",\n{\"b\":1}]", true), ElementsAre("3:{\"b\": 1}"));
}

TEST_F(RecordIndexTest, AcceptsWhatSimdjsonRefuses) {
  // Lone surrogates and NaN, which Python writes, take the tolerant parser.
  EXPECT_THAT(records("{\"a\": \"\\ud800\", \"b\": NaN}"),
              ElementsAre("1:{\"a\": \"\xEF\xBF\xBD\", \"b\": NaN}"));
  const RecordIndex index(file("{\"a\": \"\\ud800\\udc00\"}\n{\"a\": \"\\udc00 \\ud800\"}\n{}\n"),
                          any_object());
  EXPECT_EQ(index.num_replaced(), 1);
}

std::string random_record(Xoshiro256& random) {
  static const std::string kParts[] = {"{",   "}",        "[", "]",   "\\\"", "\\\\",
                                       "\\n", "\xC3\xA9", " ", "abc", ",",    ":"};
  std::string text = "{\"k\": \"";
  for (std::uint64_t i = random.bounded(40); i > 0; --i) text += kParts[random.bounded(12)];
  return text + "\", \"n\": [" + std::to_string(random.bounded(1000)) + ", {}]}";
}

// More than one chunk of the scanner; the oracle is the list the file was made from.
TEST_F(RecordIndexTest, RandomRecordsComeBackFromEveryPackaging) {
  Xoshiro256 random(5);
  std::vector<std::string> expected;
  std::string lines, array = "[";
  for (int i = 0; i < 40000; ++i) {
    expected.push_back(random_record(random));
    lines += expected.back() + (random.bounded(2) == 0 ? "\n" : "\r\n");
    array += (i > 0 ? "," : "") + std::string(random.bounded(3), '\n') + expected.back();
  }
  array += "]";
  std::string packed(::ZSTD_compressBound(lines.size()), '\0');
  packed.resize(::ZSTD_compress(packed.data(), packed.size(), lines.data(), lines.size(), 1));
  file(packed, "d.jsonl.zst");
  const std::string gz_path = directory_ / "d.jsonl.gz";
  gzFile gz = ::gzopen(gz_path.c_str(), "wb1");
  ASSERT_NE(gz, nullptr);
  ASSERT_EQ(::gzwrite(gz, lines.data(), static_cast<unsigned>(lines.size())),
            static_cast<int>(lines.size()));
  ASSERT_EQ(::gzclose(gz), Z_OK);
  for (const auto& path : {file(lines), file(array, "d.json"), directory_ / "d.jsonl.zst",
                           std::filesystem::path(gz_path)}) {
    const RecordIndex index(path, any_object());
    ASSERT_EQ(index.size(), 40000) << path;
    for (std::int64_t i = 39999; i >= 0; i -= 37) {
      EXPECT_EQ(index.read(i), parse_json(expected[static_cast<std::size_t>(i)], "")) << path << i;
    }
  }
}

TEST_F(RecordIndexTest, ReadsZstdBehindASkippableFrame) {
  const std::string lines = "{\"a\": 1}\n{\"a\": 2}\n";
  std::string packed(::ZSTD_compressBound(lines.size()), '\0');
  packed.resize(::ZSTD_compress(packed.data(), packed.size(), lines.data(), lines.size(), 3));
  for (const char magic : {'\x50', '\x5f'}) {  // pzstd writes the first
    const std::string frame = magic + std::string("\x2a\x4d\x18\x02\0\0\0xy", 9);
    EXPECT_THAT(records(frame + packed), ElementsAre("1:{\"a\": 1}", "2:{\"a\": 2}"));
  }
}

TEST_F(RecordIndexTest, ReadsNamedPipes) {
  const std::string pipe = directory_ / "pipe";
  const std::string command =
      "mkfifo " + pipe + " && (printf '{\"a\":1}\\n{\"a\":2}\\n' > " + pipe + " &)";
  ASSERT_EQ(std::system(command.c_str()), 0);
  const RecordIndex index(pipe, any_object());
  ASSERT_EQ(index.size(), 2);
  EXPECT_EQ(index.read(1)["a"], 2);
}

TEST_F(RecordIndexTest, ReportsMissingFilesAndFolders) {
  EXPECT_THROW(RecordIndex(directory_ / "none", any_object()), FileError);
  EXPECT_THROW(RecordIndex(directory_.path(), any_object()), FileError);
}

}  // namespace record_index_test
}  // namespace svtune
