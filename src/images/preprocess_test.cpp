// Preprocessing against transformers' image processors for Pillow.
#include "images/preprocess.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/json.h"
#include "base/oracle_test_util.h"
#include "images/image.h"

namespace svtune {
namespace preprocess_test {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

TEST(Preprocess, GivesThePixelsOfTransformers) {
  const std::string python = test::oracle_python("transformers,PIL");
  if (python.empty()) GTEST_SKIP() << "no Python with transformers and PIL";
  const test::TempDirectory folder;
  const std::string command = test::shell_quote(python) + " -W ignore " +
                              test::shell_quote(SVTUNE_SOURCE_DIR "/tests/oracle/image_cases.py") +
                              " preprocess " + test::shell_quote(folder.path().string());
  ASSERT_EQ(test::run_command(command).status, 0);
  int cases = 0;
  for (const auto& entry : fs::directory_iterator(folder.path())) {
    if (entry.path().extension() != ".json") continue;
    ++cases;
    const auto content = [&](const char* extension) {
      return read_file(fs::path(entry.path()).replace_extension(extension), 1 << 26);
    };
    const Preprocessing preprocessing =
        read_preprocessing(read_json_file(entry.path()), entry.path().string());
    const std::string png = content(".png"), expected = content(".f32"), size = content(".txt");
    const std::vector<float> pixels =
        preprocess(decode_image(std::as_bytes(std::span(png)), "picture"), preprocessing);
    const ImageSize out = output_size(preprocessing);
    EXPECT_EQ(std::to_string(out.width) + " " + std::to_string(out.height) + "\n", size)
        << entry.path();
    ASSERT_EQ(pixels.size() * sizeof(float), expected.size()) << entry.path();
    // The same operations in the same precisions: equal to the last bit of fp32.
    EXPECT_EQ(std::memcmp(pixels.data(), expected.data(), expected.size()), 0) << entry.path();
  }
  EXPECT_EQ(cases, 60);
}

Image grey(std::int32_t width, std::int32_t height, std::vector<int> values) {
  Image image{width, height, {}};
  for (const int value : values) image.rgb.insert(image.rgb.end(), 3, std::uint8_t(value));
  return image;
}

std::vector<int> reds(const Image& image) {
  std::vector<int> out;
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) out.push_back(image.rgb[i]);
  return out;
}

TEST(Resize, HalvingByABoxIsTheMean) {
  const Image image = grey(4, 2, {0, 10, 20, 40, 20, 30, 40, 60});
  EXPECT_THAT(reds(resize_image(image, {2, 1}, Resample::kBox)), ElementsAre(15, 40));
}

TEST(Resize, TheSameSizeIsTheSamePicture) {
  const Image image = grey(2, 2, {1, 200, 3, 77});
  EXPECT_THAT(resize_image(image, {2, 2}, Resample::kLanczos).rgb, ElementsAreArray(image.rgb));
}

TEST(Resize, OnePixelFillsAnySize) {
  for (const Resample filter : {Resample::kNearest, Resample::kBilinear, Resample::kBicubic,
                                Resample::kLanczos, Resample::kHamming}) {
    EXPECT_THAT(reds(resize_image(grey(1, 1, {93}), {3, 2}, filter)),
                ElementsAre(93, 93, 93, 93, 93, 93));
  }
}

TEST(FitImage, SmallPicturesGetBlackMarginsAroundTheirCentre) {
  Preprocessing preprocessing;
  preprocessing.do_resize = false;
  preprocessing.do_center_crop = true;
  preprocessing.crop_size = {4, 1};
  // An odd remainder goes to the start of what is filled up, to the end of what is cut.
  EXPECT_THAT(reds(fit_image(grey(1, 2, {9, 8}), preprocessing)), ElementsAre(0, 0, 9, 0));
}

TEST(FitImage, ALineThatWouldGrowWithoutEndIsRefused) {
  Preprocessing preprocessing;
  preprocessing.shortest_edge = 4000;
  preprocessing.do_center_crop = true;
  EXPECT_THROW(fit_image(grey(20, 1, std::vector<int>(20)), preprocessing), UsageError);
}

}  // namespace preprocess_test
}  // namespace svtune
