// Git LFS pointers are named wherever a file is opened.
#include "base/lfs_pointer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/errors.h"
#include "base/files.h"
#include "base/json.h"
#include "base/oracle_test_util.h"

namespace svtune {
namespace lfs_pointer_test {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string kPointer =
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    "size 3221225472\n";

template <typename Open>
std::string error_of(Open open) {
  try {
    open();
  } catch (const FileError& error) {
    return std::string(error.what()) + " | " + error.hint();
  }
  return "accepted";
}

TEST(LfsPointer, IsNamedByEveryWayOfReading) {
  const test::TempDirectory directory;
  const auto path = directory / "tokenizer.json";
  write_file_atomic(path, kPointer);
  const auto named = AllOf(HasSubstr("tokenizer.json: is a Git LFS pointer"),
                           HasSubstr("(3.00 GiB)"), HasSubstr("git lfs pull"));
  EXPECT_THAT(error_of([&] { read_file(path, 1 << 20); }), named);
  EXPECT_THAT(error_of([&] { const MappedFile file(path); }), named);
  EXPECT_THAT(error_of([&] { read_json_file(path); }), named);
}

TEST(LfsPointer, OtherTextsAreNone) {
  EXPECT_TRUE(is_lfs_pointer("version https://hawser.github.com/spec/v1\noid sha256:0\n"));
  EXPECT_FALSE(is_lfs_pointer(""));
  EXPECT_FALSE(is_lfs_pointer("version https://example.org/spec/v1\n"));
  EXPECT_FALSE(is_lfs_pointer("# " + kPointer));
  EXPECT_FALSE(is_lfs_pointer("version https://\ngit-lfs.github.com/spec"));
  EXPECT_THAT(
      error_of([] { refuse_lfs_pointer("version https://git-lfs.github.com/spec/v1", "m"); }),
      HasSubstr("m: is a Git LFS pointer, not the file itself |"));
}

}  // namespace lfs_pointer_test
}  // namespace svtune
