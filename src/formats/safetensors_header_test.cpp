// Hostile safetensors headers: each must be refused with a message that names the field.
#include "formats/safetensors_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/errors.h"

namespace svtune {
namespace safetensors_header_test {

using ::testing::HasSubstr;

std::string with_length(std::uint64_t length, const std::string& rest) {
  std::string file(reinterpret_cast<const char*>(&length), sizeof length);
  return file + rest;
}

std::string file_of(const std::string& header, std::size_t data_bytes) {
  return with_length(header.size(), header + std::string(data_bytes, '\0'));
}

SafetensorsHeader parse(const std::string& file) {
  return parse_safetensors_header(std::as_bytes(std::span(file.data(), file.size())), "m.st");
}

std::string error_of(const std::string& file) {
  try {
    parse(file);
  } catch (const FileError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(SafetensorsHeader, ReadsInfosMetadataAndPadding) {
  const auto header = parse(file_of(
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2,1],"data_offsets":[4,12]},)"
      R"("a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},)"
      R"("s":{"shape":[],"data_offsets":[12,13],"dtype":"U8"},)"
      R"("z":{"dtype":"F64","shape":[0,7],"data_offsets":[4,4]}}    )",
      13));
  EXPECT_EQ(header.metadata.at("format"), "pt");
  ASSERT_EQ(header.tensors.size(), 4U);
  EXPECT_EQ(header.tensors[0].name, "a");
  EXPECT_EQ(header.tensors[1].name, "z");
  EXPECT_EQ(header.tensors[2].name, "b");
  EXPECT_EQ(header.tensors[2].element_count(), 2);
  EXPECT_EQ(header.tensors[3].element_count(), 1);
  EXPECT_EQ(header.tensors[3].dtype, DType::kU8);
}

TEST(SafetensorsHeader, EmptyFileListIsLegal) {
  EXPECT_TRUE(parse(file_of("{}", 0)).tensors.empty());
}

TEST(SafetensorsHeader, LengthIsChecked) {
  EXPECT_THAT(error_of("abc"), HasSubstr("3 bytes"));
  EXPECT_THAT(error_of(with_length(~0ULL, "{}")), HasSubstr("header length 18446744073709551615"));
  EXPECT_THAT(error_of(with_length(100000001, "{}")), HasSubstr("above the limit"));
  EXPECT_THAT(error_of(with_length(3, "{}")), HasSubstr("past the end"));
  EXPECT_THAT(error_of(with_length(0, "{}")), HasSubstr("start with '{'"));
  EXPECT_THAT(error_of(file_of(" {}", 0)), HasSubstr("start with '{'"));
}

TEST(SafetensorsHeader, MalformedJsonNamesTheByte) {
  EXPECT_THAT(error_of(file_of("{\"a\":", 0)), HasSubstr("not valid JSON at byte"));
  EXPECT_THAT(error_of(file_of("{} x", 0)), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_of(file_of("{\"\xff\":1}", 0)), HasSubstr("not valid JSON"));
}

struct BadEntry {
  const char* entry;  // of tensor "t", with 4 bytes of data
  const char* message;
  // Letters and numbers only: the text becomes part of the test's name.
  friend std::ostream& operator<<(std::ostream& out, const BadEntry& bad) {
    for (const char* c = bad.entry; *c != '\0'; ++c) {
      const bool plain = std::isalnum(static_cast<unsigned char>(*c)) || *c == '-' || *c == '.';
      out << (plain ? *c : '_');
    }
    return out;
  }
};

class SafetensorsEntry : public ::testing::TestWithParam<BadEntry> {};

TEST_P(SafetensorsEntry, IsRefusedByField) {
  const std::string header = std::string("{\"t\":") + GetParam().entry + "}";
  const std::string message = error_of(file_of(header, 4));
  EXPECT_THAT(message, HasSubstr("m.st: tensor \"t\"")) << header;
  EXPECT_THAT(message, HasSubstr(GetParam().message)) << header;
}

INSTANTIATE_TEST_SUITE_P(
    Hostile, SafetensorsEntry,
    ::testing::Values(
        BadEntry{R"(1)", "unexpected the number 1"}, BadEntry{R"([])", "unexpected an array"},
        BadEntry{R"({"dtype":"F32","shape":[1]})", "\"data_offsets\" is missing"},
        BadEntry{R"({"shape":[1],"data_offsets":[0,4]})", "\"dtype\" is missing"},
        BadEntry{R"({"dtype":"F33","shape":[1],"data_offsets":[0,4]})", "unknown type \"F33\""},
        BadEntry{R"({"dtype":4,"shape":[1],"data_offsets":[0,4]})", "key \"dtype\": unexpected"},
        BadEntry{R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})",
                 "key \"shape\": unexpected the negative number -1"},
        BadEntry{R"({"dtype":"F32","shape":[1.0],"data_offsets":[0,4]})", "the number 1.0"},
        BadEntry{R"({"dtype":"F32","shape":["1"],"data_offsets":[0,4]})", "the string \"1\""},
        BadEntry{R"({"dtype":"F32","shape":[[1]],"data_offsets":[0,4]})", "an array"},
        BadEntry{R"({"dtype":"F32","shape":[null],"data_offsets":[0,4]})", "null"},
        BadEntry{R"({"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]})",
                 "no 64-bit integer"},
        BadEntry{R"({"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4]})",
                 "18446744073709551615"},
        BadEntry{R"({"dtype":"F32","shape":[4294967296,4294967296,2],"data_offsets":[0,4]})",
                 "overflows"},
        BadEntry{R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})", "needs 8"},
        BadEntry{R"({"dtype":"F4","shape":[3],"data_offsets":[0,4]})", "whole bytes"},
        BadEntry{R"({"dtype":"F32","shape":[1],"data_offsets":[4,0]})", "run backwards"},
        BadEntry{R"({"dtype":"F32","shape":[1],"data_offsets":[0]})", "need two numbers"},
        BadEntry{R"({"dtype":"F32","shape":[1],"data_offsets":[0,4,4]})", "more than two"},
        BadEntry{R"({"dtype":"F32","shape":[1],"data_offsets":[-4,0]})", "negative number -4"},
        BadEntry{R"({"dtype":"F32","shape":[0],"data_offsets":[1,1]})", "leave a hole"},
        BadEntry{R"({"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1})", "unknown key"},
        BadEntry{R"({"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]})",
                 "key occurs twice"}));

TEST(SafetensorsHeader, LayoutMistakesAreRefused) {
  const auto two = [](const char* a, const char* b, std::size_t bytes) {
    return error_of(file_of(std::string(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)") + a +
                                R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + b + "}}",
                            bytes));
  };
  EXPECT_EQ(two("[4,8]", "[0,4]", 8), "accepted");
  EXPECT_THAT(two("[0,4]", "[2,6]", 6), HasSubstr("\"b\": data_offsets [2, 6] overlap"));
  EXPECT_THAT(two("[0,4]", "[5,9]", 9), HasSubstr("leave a hole"));
  EXPECT_THAT(two("[0,4]", "[0,4]", 4), HasSubstr("overlap"));
  EXPECT_THAT(two("[0,4]", "[4,8]", 7), HasSubstr("describes 8 bytes of tensor data"));
  EXPECT_THAT(two("[0,4]", "[4,8]", 9), HasSubstr("the file has 9"));
}

TEST(SafetensorsHeader, NamesAndMetadataAreChecked) {
  const std::string entry = R"({"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  EXPECT_THAT(error_of(file_of("{\"a\":" + entry + ",\"a\":" + entry + "}", 0)),
              HasSubstr("tensor \"a\" occurs twice"));
  EXPECT_THAT(error_of(file_of("{\"a\\u001b[2J\":" + entry + "}", 0)),
              HasSubstr("control character"));
  EXPECT_THAT(error_of(file_of(R"({"__metadata__":{"a":1}})", 0)),
              HasSubstr("__metadata__ key \"a\""));
  EXPECT_THAT(error_of(file_of(R"({"__metadata__":{"a":"1","a":"2"}})", 0)), HasSubstr("twice"));
}

TEST(SafetensorsHeader, RankIsLimited) {
  std::string shape = "1";
  for (int i = 1; i < 65; ++i) shape += ",1";
  EXPECT_THAT(error_of(file_of(
                  R"({"t":{"dtype":"U8","shape":[)" + shape + R"(],"data_offsets":[0,1]}})", 1)),
              HasSubstr("more than 64 dimensions"));
}

}  // namespace safetensors_header_test
}  // namespace svtune
