// preprocessor_config.json: what is read and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/errors.h"
#include "base/json.h"
#include "images/preprocess.h"

namespace svtune {
namespace preprocessing_config_test {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Preprocessing read(const std::string& text) {
  return read_preprocessing(parse_json(text, "preprocessor_config.json"),
                            "preprocessor_config.json");
}

std::string refusal(const std::string& text) {
  try {
    read(text);
  } catch (const FileError& error) {
    EXPECT_THAT(error.what(), HasSubstr("preprocessor_config.json: "));
    return error.what();
  }
  return "";
}

TEST(ReadPreprocessing, AnEmptyObjectIsViT) {
  const Preprocessing out = read("{}");
  EXPECT_EQ(output_size(out).width, 224);
  EXPECT_EQ(out.resample, Resample::kBilinear);
  EXPECT_FALSE(out.do_center_crop);
  EXPECT_THAT(out.image_std, ElementsAre(0.5, 0.5, 0.5));
}

TEST(ReadPreprocessing, SizesMayBeLists) {
  const Preprocessing out =
      read(R"({"size": [32, 48], "do_center_crop": true, "crop_size": [8, 16]})");
  EXPECT_EQ(out.size.height, 32);
  EXPECT_EQ(out.size.width, 48);
  EXPECT_EQ(output_size(out).height, 8);
  EXPECT_EQ(output_size(out).width, 16);
}

TEST(ReadPreprocessing, ReadsTheFileOfDinov2) {
  const Preprocessing out = read(R"({
    "crop_size": {"height": 224, "width": 224}, "do_center_crop": true, "do_convert_rgb": true,
    "do_normalize": true, "do_rescale": true, "do_resize": true,
    "image_mean": [0.485, 0.456, 0.406], "image_processor_type": "BitImageProcessor",
    "image_std": [0.229, 0.224, 0.225], "resample": 3, "rescale_factor": 0.00392156862745098,
    "size": {"shortest_edge": 256}})");
  EXPECT_EQ(out.shortest_edge, 256);
  EXPECT_EQ(out.resample, Resample::kBicubic);
  EXPECT_EQ(output_size(out).height, 224);
  EXPECT_THAT(out.image_mean, ElementsAre(0.485, 0.456, 0.406));
}

TEST(ReadPreprocessing, RefusesWhatItWouldNotDo) {
  EXPECT_THAT(refusal(R"({"crop_pct": 0.875})"), HasSubstr("the key crop_pct is not known"));
  EXPECT_THAT(refusal(R"({"image_processor_type": "SamImageProcessor"})"),
              HasSubstr("SamImageProcessor is not known"));
  EXPECT_THAT(refusal(R"({"resample": 6})"), HasSubstr("resample is 6; known are 0 (nearest)"));
  EXPECT_THAT(refusal(R"({"do_pad": true})"), HasSubstr("do_pad is not known"));
  EXPECT_THAT(refusal(R"({"size": {"shortest_edge": 9, "longest_edge": 12}})"),
              HasSubstr("shortest_edge and more"));
}

TEST(ReadPreprocessing, RefusesValuesWithoutSense) {
  EXPECT_THAT(refusal(R"({"size": {"height": 0, "width": 4}})"),
              HasSubstr("size.height must be a whole number from 1 to 8192"));
  EXPECT_THAT(refusal(R"({"size": {"height": 4}})"), HasSubstr("size must have height and width"));
  EXPECT_THAT(refusal(R"({"size": [4, 5, 6]})"), HasSubstr("size must have height and width"));
  EXPECT_THAT(refusal(R"({"rescale_factor": 0})"), HasSubstr("rescale_factor must be above 0"));
  EXPECT_THAT(refusal(R"({"image_std": [1, 0, 1]})"), HasSubstr("image_std must be above 0"));
  EXPECT_THAT(refusal(R"({"image_mean": [1, 0]})"), HasSubstr("image_mean must be three numbers"));
  EXPECT_THAT(refusal(R"({"do_resize": 1})"), HasSubstr("do_resize must be true or false"));
  EXPECT_THAT(refusal(R"({"size": {"shortest_edge": 9}})"), HasSubstr("different sizes"));
  EXPECT_THAT(refusal("[]"), HasSubstr("no JSON object"));
}

}  // namespace preprocessing_config_test
}  // namespace svtune
