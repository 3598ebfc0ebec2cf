// Split GGUF models: any part opens the whole, and what is wrong is named with its file.
#include "formats/gguf_split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "formats/gguf.h"
#include "formats/gguf_test_util.h"

namespace svtune {
namespace gguf_split_test {

namespace fs = std::filesystem;
using test::GgufBuilder;
using test::raw;
using ::testing::AllOf;
using ::testing::HasSubstr;

struct PartOptions {
  std::uint16_t number = 0, count = 3;
  std::int32_t tensors = 3;
  std::string tensor = "t";
};

// As llama.cpp's tools write it: metadata in the first part, "split.*" in all.
std::string part(const PartOptions& options) {
  GgufBuilder builder;
  if (options.number == 0) builder.string("general.architecture", "llama").u32("llama.x", 7);
  builder.key("split.no", 2, raw(options.number)).key("split.count", 2, raw(options.count));
  builder.key("split.tensors.count", 5, raw(options.tensors));
  builder.tensor(options.tensor, {2}, 0, raw(float(options.number)) + raw(0.5F));
  return builder.build();
}

class GgufSplitTest : public ::testing::Test {
 protected:
  fs::path name(int number, int count = 3) const {
    return directory_ /
           ("m-0000" + std::to_string(number + 1) + "-of-0000" + std::to_string(count) + ".gguf");
  }
  void write(int number, PartOptions options) {
    options.number = static_cast<std::uint16_t>(number);
    write_file_atomic(name(number), part(options));
  }
  void write_all() {
    for (const int i : {0, 1, 2}) write(i, {.tensor = "t" + std::to_string(i)});
  }
  static std::string error_of(const fs::path& path) {
    try {
      const GgufFile file(path);
    } catch (const FileError& error) {
      return std::string(error.what()) + " | " + error.hint();
    }
    return "accepted";
  }

  test::TempDirectory directory_;
};

TEST_F(GgufSplitTest, AnyPartOpensTheWholeModel) {
  write_all();
  for (const int given : {0, 1, 2}) {
    const GgufFile file(name(given));
    EXPECT_EQ(file.part_count(), 3U);
    EXPECT_EQ(file.path(), name(0));
    EXPECT_EQ(file.require_integer("llama.x"), 7);
    ASSERT_EQ(file.tensors().size(), 3U);
    for (const int i : {0, 1, 2}) {
      const GgufTensorInfo* info = file.find_tensor("t" + std::to_string(i));
      ASSERT_NE(info, nullptr);
      EXPECT_EQ(file.path_of(*info), name(i));
      float values[2];
      std::memcpy(values, file.data(*info).data(), sizeof values);
      EXPECT_EQ(values[0], static_cast<float>(i));
      EXPECT_EQ(values[1], 0.5F);
      file.release(*info);
    }
  }
}

TEST_F(GgufSplitTest, MissingPartsAreNamed) {
  write_all();
  fs::remove(name(1));
  EXPECT_THAT(error_of(name(2)),
              AllOf(HasSubstr("m-00003-of-00003.gguf: is part 3 of 3 of a split GGUF model, and "
                              "m-00002-of-00003.gguf is missing beside it"),
                    HasSubstr("put all parts into one folder")));
  fs::remove(name(0));
  EXPECT_THAT(error_of(name(2)),
              HasSubstr("m-00001-of-00003.gguf, m-00002-of-00003.gguf are missing beside it"));
}

TEST_F(GgufSplitTest, RenamedPartsAreNamed) {
  write_all();
  fs::rename(name(1), directory_ / "second.gguf");
  EXPECT_THAT(
      error_of(directory_ / "second.gguf"),
      AllOf(HasSubstr("second.gguf: is part 2 of 3 of a split GGUF model, but its name does "
                      "not end in -00002-of-00003.gguf"),
            HasSubstr("NAME-00001-of-00003.gguf")));
  fs::rename(name(0), name(1));
  write(0, {.tensor = "t0"});
  EXPECT_THAT(error_of(name(0)),
              HasSubstr("m-00002-of-00003.gguf: its keys say part 1 of 3, but it "
                        "stands for part 2 of 3"));
}

TEST_F(GgufSplitTest, PartsOfDifferentModelsAreRefused) {
  write_all();
  write(1, {.tensor = "t0"});
  EXPECT_THAT(error_of(name(0)), AllOf(HasSubstr("m-00002-of-00003.gguf: tensor \"t0\""),
                                       HasSubstr("m-00001-of-00003.gguf as well")));
  write(1, {.tensor = "t1"});
  write(0, {.tensors = 4, .tensor = "t0"});
  EXPECT_THAT(error_of(name(0)), HasSubstr("is 4, but the 3 parts hold 3 tensors"));
  write(0, {.tensor = "t0"});
  write_file_atomic(name(2), "GGUF");
  EXPECT_THAT(error_of(name(0)), HasSubstr("m-00003-of-00003.gguf: version (byte 4)"));
}

TEST_F(GgufSplitTest, ImpossibleKeysAreRefused) {
  const auto with = [&](std::uint32_t number, std::uint32_t count) {
    write_file_atomic(directory_ / "m.gguf",
                      GgufBuilder().u32("split.no", number).u32("split.count", count).build());
    return error_of(directory_ / "m.gguf");
  };
  EXPECT_THAT(with(3, 3), HasSubstr("name no part of a split model"));
  EXPECT_THAT(with(0, 65536), HasSubstr("name no part"));
  EXPECT_THAT(with(1, 0), HasSubstr("name no part"));
  EXPECT_EQ(with(0, 0), "accepted");
  EXPECT_EQ(with(0, 1), "accepted");
  write_file_atomic(directory_ / "m.gguf", GgufBuilder().string("split.count", "2").build());
  EXPECT_THAT(error_of(directory_ / "m.gguf"), HasSubstr("\"split.count\" is not a number"));
}

}  // namespace gguf_split_test
}  // namespace svtune
