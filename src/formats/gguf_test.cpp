// GGUF reader: hand-built files of both versions, hostile ones, and a file of the `gguf`
// package.
#include "formats/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "formats/gguf_test_util.h"

namespace svtune {
namespace gguf_test {

using test::GgufBuilder;
using test::raw;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string error_of(const std::string& file) {
  try {
    parse_gguf_header(std::as_bytes(std::span(file.data(), file.size())), "m.gguf");
  } catch (const FileError& error) {
    return error.what();
  }
  return "accepted";
}

std::string error_of(const GgufBuilder& builder) { return error_of(builder.build()); }

TEST(Gguf, ReadsEveryMetadataTypeInBothVersions) {
  for (const std::uint32_t version : {2U, 3U}) {
    GgufBuilder builder;
    builder.version = version;
    builder.key("u8", 0, raw<std::uint8_t>(200)).key("i8", 1, raw<std::int8_t>(-5));
    builder.key("u16", 2, raw<std::uint16_t>(60000)).key("i16", 3, raw<std::int16_t>(-6000));
    builder.u32("u32", 4000000000U).key("i32", 5, raw<std::int32_t>(-7));
    builder.f32("f32", 0.5F).boolean("bool", true).string("string", "text");
    builder.key("u64", 10, raw<std::uint64_t>(1ULL << 40)).key("i64", 11, raw<std::int64_t>(-9));
    builder.key("f64", 12, raw(0.25)).strings("strings", {"a", "", "é"});
    builder.array<std::int32_t>("ints", 5, {1, -2, 3}).array<float>("floats", 6, {1.5F});
    builder.key("nested", 9,
                raw<std::uint32_t>(9) + raw<std::uint64_t>(1) + raw<std::uint32_t>(0) +
                    raw<std::uint64_t>(2) + "\x01\x02");
    test::TempDirectory directory;
    write_file_atomic(directory / "m.gguf", builder.build());
    const GgufFile file(directory / "m.gguf");
    EXPECT_EQ(file.version(), version);
    EXPECT_EQ(file.metadata().size(), 16U);
    EXPECT_EQ(file.integer("u8"), 200);
    EXPECT_EQ(file.integer("i8"), -5);
    EXPECT_EQ(file.integer("u16"), 60000);
    EXPECT_EQ(file.integer("i16"), -6000);
    EXPECT_EQ(file.require_integer("u32"), 4000000000);
    EXPECT_EQ(file.integer("i32"), -7);
    EXPECT_EQ(file.number("f32"), 0.5);
    EXPECT_EQ(file.boolean("bool"), true);
    EXPECT_EQ(file.require_string("string"), "text");
    EXPECT_EQ(file.integer("u64"), 1LL << 40);
    EXPECT_EQ(file.number("i64"), -9.0);
    EXPECT_EQ(file.number("f64"), 0.25);
    EXPECT_THAT(file.array("strings", true)->strings, ElementsAre("a", "", "é"));
    EXPECT_EQ(file.array("ints", false)->number(1), -2);
    EXPECT_EQ(file.array("ints", false)->number(3), 0);
    EXPECT_EQ(file.array("floats", false)->number(0), 1.5);
    EXPECT_EQ(file.integer("none"), std::nullopt);
    EXPECT_EQ(file.array("none", true), nullptr);
    EXPECT_THROW(file.integer("string"), FileError);
    EXPECT_THROW(file.string("u8"), FileError);
    EXPECT_THROW(file.boolean("u8"), FileError);
    EXPECT_THROW(file.number("string"), FileError);
    EXPECT_THROW(file.array("ints", true), FileError);
    EXPECT_THROW(file.require_integer("none"), FileError);
    EXPECT_THROW(file.require_string("none"), FileError);
  }
}

TEST(Gguf, ReadsTensorsWithReversedShapes) {
  GgufBuilder builder;
  builder.alignment = 64;
  builder.u32("general.alignment", 64);
  builder.tensor("a", {3, 2}, 0, std::string(24, 'a'))
      .tensor("b", {32, 5}, 8, std::string(170, 'b'));
  test::TempDirectory directory;
  write_file_atomic(directory / "m.gguf", builder.build());
  const GgufFile file(directory / "m.gguf");
  const GgufTensorInfo* b = file.find_tensor("b");
  ASSERT_NE(b, nullptr);
  EXPECT_THAT(b->shape, ElementsAre(5, 32));
  EXPECT_EQ(b->element_count(), 160);
  EXPECT_EQ(file.data(*b).size(), 170U);
  EXPECT_EQ(static_cast<char>(file.data(*b)[0]), 'b');
  EXPECT_EQ(file.find_tensor("c"), nullptr);
}

TEST(Gguf, WrongStartIsRefused) {
  EXPECT_THAT(error_of(""), HasSubstr("m.gguf: magic"));
  EXPECT_THAT(error_of("GGML1234"), HasSubstr("is not \"GGUF\""));
  EXPECT_THAT(error_of("GGUF"), HasSubstr("version (byte 4): the file ends here"));
  EXPECT_THAT(error_of("GGUF" + raw<std::uint32_t>(1)), HasSubstr("is 1, only 2 and 3"));
  EXPECT_THAT(error_of("GGUF" + raw<std::uint32_t>(0x03000000)), HasSubstr("big-endian"));
  EXPECT_EQ(error_of(GgufBuilder()), "accepted");
}

TEST(Gguf, HugeCountsAndLengthsAreRefusedWithoutAllocation) {
  GgufBuilder keys;
  keys.key_count = ~0ULL;
  EXPECT_THAT(error_of(keys), HasSubstr("metadata count"));
  GgufBuilder tensors;
  tensors.tensor_count = 1ULL << 60;
  EXPECT_THAT(error_of(tensors), HasSubstr("tensor count"));
  const std::uint64_t huge = ~0ULL - 7;
  EXPECT_THAT(error_of(GgufBuilder().key("k", 8, raw(huge))), HasSubstr("key \"k\""));
  for (const std::uint32_t type : {0U, 5U, 8U, 9U, 12U}) {
    EXPECT_THAT(error_of(GgufBuilder().key("k", 9, raw(type) + raw(huge))),
                HasSubstr("cannot fit"));
  }
  EXPECT_THAT(error_of("GGUF" + raw<std::uint32_t>(3) + raw<std::uint64_t>(0) +
                       raw<std::uint64_t>(1) + raw(huge) + std::string(64, 'x')),
              HasSubstr("metadata key"));
}

TEST(Gguf, BadMetadataIsRefused) {
  EXPECT_THAT(error_of(GgufBuilder().u32("k", 1).u32("k", 2)), HasSubstr("key \"k\""));
  EXPECT_THAT(error_of(GgufBuilder().key("k", 13, "")), HasSubstr("unknown value type 13"));
  EXPECT_THAT(error_of(GgufBuilder().key("k", 7, "\x02")), HasSubstr("boolean with the value 2"));
  EXPECT_THAT(error_of(GgufBuilder().u32("", 1)), HasSubstr("name is empty"));
  EXPECT_THAT(error_of(GgufBuilder().u32("a\nb", 1)), HasSubstr("control characters"));
  EXPECT_THAT(error_of(GgufBuilder().u32("\xFF", 1)), HasSubstr("not UTF-8"));
  EXPECT_THAT(error_of(GgufBuilder().u32("general.alignment", 3)), HasSubstr("power of two"));
  EXPECT_THAT(error_of(GgufBuilder().u32("general.alignment", 0)), HasSubstr("power of two"));
  std::string nested;
  for (int i = 0; i < 1000; ++i) nested += raw<std::uint32_t>(9) + raw<std::uint64_t>(1);
  EXPECT_THAT(error_of(GgufBuilder().key("k", 9, nested)), HasSubstr("nested deeper than 4"));
}

TEST(Gguf, BadTensorsAreRefused) {
  const std::string data(64, 'x');
  const auto one = [&](const std::vector<std::uint64_t>& dims, std::uint32_t type,
                       std::uint64_t offset) {
    return error_of(GgufBuilder().info("t", dims, type, offset).append(data));
  };
  EXPECT_EQ(one({4, 4}, 0, 0), "accepted");
  EXPECT_THAT(one({4}, 5, 0), HasSubstr("tensor \"t\""));
  EXPECT_THAT(one({4}, 99, 0), HasSubstr("unknown tensor type 99"));
  EXPECT_THAT(one({}, 0, 0), HasSubstr("rank 0"));
  EXPECT_THAT(one({1, 1, 1, 1, 1}, 0, 0), HasSubstr("rank 5"));
  EXPECT_THAT(one({1ULL << 40, 1ULL << 40}, 0, 0), HasSubstr("overflow"));
  EXPECT_THAT(one({1ULL << 62}, 0, 0), HasSubstr("overflows"));
  EXPECT_THAT(one({33}, 8, 0), HasSubstr("multiple of 32"));
  EXPECT_THAT(one({4}, 0, 8), HasSubstr("multiple of the alignment"));
  EXPECT_THAT(one({17}, 0, 0), HasSubstr("past the end of the file"));
  EXPECT_THAT(one({4}, 0, ~0ULL - 31), HasSubstr("past the end of the file"));
  EXPECT_THAT(error_of(GgufBuilder().info("t", {8}, 0, 0).info("t", {8}, 0, 32).append(data)),
              HasSubstr("occurs twice"));
  EXPECT_THAT(error_of(GgufBuilder().info("t", {9}, 0, 0).info("u", {8}, 0, 32).append(data)),
              HasSubstr("tensor \"u\""));
}

TEST(Gguf, EveryTruncationIsAnError) {
  GgufBuilder builder;
  builder.strings("k", {"one", "two"}).u32("n", 5).tensor("t", {8}, 0, std::string(32, 'x'));
  const std::string whole = builder.build();
  ASSERT_EQ(error_of(whole), "accepted");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(error_of(whole.substr(0, size)), "accepted") << size;
  }
}

TEST(Gguf, ReadsAFileOfTheReferencePackage) {
  const std::string python = test::oracle_python("gguf, numpy");
  if (python.empty()) GTEST_SKIP() << "no Python with gguf and numpy";
  test::TempDirectory directory;
  const std::string script = R"(
import sys, gguf, numpy as np
w = gguf.GGUFWriter(sys.argv[1], 'llama')
w.add_uint32('llama.block_count', 7)
w.add_float32('llama.eps', 1e-5)
w.add_array('tokens', ['a', 'Ġb'])
w.add_array('scores', [0.5, -1.0])
w.add_tensor('x', np.arange(6, dtype=np.float32).reshape(2, 3))
w.add_tensor('y', np.arange(4, dtype=np.float16))
w.write_header_to_file(); w.write_kv_data_to_file(); w.write_tensors_to_file(); w.close()
)";
  test::run_oracle(python, script, {directory / "m.gguf"});
  const GgufFile file(directory / "m.gguf");
  EXPECT_EQ(file.require_string("general.architecture"), "llama");
  EXPECT_EQ(file.integer("llama.block_count"), 7);
  EXPECT_EQ(file.number("llama.eps"), double{1e-5F});
  EXPECT_THAT(file.array("tokens", true)->strings, ElementsAre("a", "Ġb"));
  EXPECT_EQ(file.array("scores", false)->number(1), -1.0);
  const GgufTensorInfo* x = file.find_tensor("x");
  ASSERT_NE(x, nullptr);
  EXPECT_THAT(x->shape, ElementsAre(2, 3));
  float last = 0;
  std::memcpy(&last, file.data(*x).data() + 20, 4);
  EXPECT_EQ(last, 5.0F);
  EXPECT_EQ(file.find_tensor("y")->bytes, 8U);
}

}  // namespace gguf_test
}  // namespace svtune
