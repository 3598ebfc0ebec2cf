// IDX files: MNIST's and malformed ones.
#include "images/idx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <string>

#include "base/errors.h"
#include "base/files.h"
#include "base/oracle_test_util.h"

namespace svtune {
namespace idx_test {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string big_endian(std::uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
  return out;
}

std::string idx(char rank, std::vector<std::uint32_t> sizes, const std::string& content) {
  std::string out = std::string("\0\0\x08", 3) + rank;
  for (const std::uint32_t size : sizes) out += big_endian(size);
  return out + content;
}

class Idx : public ::testing::Test {
 protected:
  std::string refusal(const std::string& content) {
    write_file_atomic(folder_ / "f", content);
    try {
      read_idx_images(folder_ / "f");
    } catch (const FileError& error) {
      return error.what();
    }
    return "";
  }
  test::TempDirectory folder_;
};

TEST_F(Idx, GivesGreyImages) {
  write_file_atomic(folder_ / "f", idx(3, {2, 1, 2}, "abcd"));
  ASSERT_TRUE(is_idx(folder_ / "f"));
  const IdxImages images = read_idx_images(folder_ / "f");
  EXPECT_EQ(images.count, 2);
  const Image image = images.image(1);
  EXPECT_EQ(image.width, 2);
  EXPECT_EQ(image.height, 1);
  EXPECT_THAT(image.rgb, ElementsAre('c', 'c', 'c', 'd', 'd', 'd'));
}

TEST_F(Idx, OtherElementsAreToldByTheReader) {
  for (const char type : {'\x09', '\x0B', '\x0D', '\x0E'}) {
    write_file_atomic(folder_ / "f", std::string("\0\0", 2) + type + '\x03' + big_endian(1));
    EXPECT_TRUE(is_idx(folder_ / "f")) << int{type};
  }
  write_file_atomic(folder_ / "f", "text,label\n");
  EXPECT_FALSE(is_idx(folder_ / "f"));
}

TEST_F(Idx, RefusesMalformedFiles) {
  EXPECT_THAT(refusal("\0\0"), HasSubstr("within the header"));
  EXPECT_THAT(refusal("PNG..........."), HasSubstr("does not start with 0 0"));
  EXPECT_THAT(refusal(std::string("\0\0\x0D\x03", 4)), HasSubstr("type 13"));
  EXPECT_THAT(refusal(idx(1, {2}, "ab")), HasSubstr("1 dimensions, where 3 are needed"));
  EXPECT_THAT(refusal(idx(3, {2, 0, 2}, "")), HasSubstr("dimension 2 is 0"));
  EXPECT_THAT(refusal(idx(3, {2, 1, 2}, "abc")), HasSubstr("ends after 3 of 4 bytes"));
  EXPECT_THAT(refusal(idx(3, {2, 1, 2}, "abcde")), HasSubstr("more than its sizes say"));
  EXPECT_THAT(refusal(idx(3, {1, 65536, 65536}, "")), HasSubstr("too many pixels"));
  EXPECT_THAT(refusal(idx(3, {0xFFFFFFFF, 28, 28}, "")), HasSubstr("too many bytes"));
}

TEST_F(Idx, ReadsMnist) {
  const auto folder = test::test_data("images/mnist");
  if (folder.empty()) GTEST_SKIP() << test::kNoTestData << "images/mnist";
  const IdxImages images = read_idx_images(folder / "t10k-images-idx3-ubyte.gz");
  const auto labels = read_idx_labels(folder / "t10k-labels-idx1-ubyte.gz");
  EXPECT_EQ(images.count, 10000);
  EXPECT_EQ(images.size.width, 28);
  ASSERT_EQ(labels.size(), 10000u);
  EXPECT_EQ(labels[0], 7);
  // The mean of the test images, .1325 of white.
  const double sum = std::accumulate(images.grey.begin(), images.grey.end(), 0.0);
  EXPECT_NEAR(sum / static_cast<double>(images.grey.size()) / 255, 0.1325, 5e-5);
}

}  // namespace idx_test
}  // namespace svtune
