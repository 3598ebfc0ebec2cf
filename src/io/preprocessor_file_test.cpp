// preprocessor_config.json beside a model: other sizes, what does not fit, and where it goes.
#include "io/preprocessor_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/errors.h"
#include "base/files.h"
#include "base/oracle_test_util.h"
#include "io/tiny_encoder_test_util.h"
#include "io/tiny_vision_test_util.h"

namespace svtune {
namespace preprocessor_file_test {

using test::TempDirectory;
using ::testing::HasSubstr;

// As facebook/dinov2-small has it.
Json dinov2_preprocessor() {
  return parse_json(R"({"image_processor_type": "BitImageProcessor", "do_resize": true,
      "size": {"shortest_edge": 256}, "resample": 3, "do_center_crop": true,
      "crop_size": {"height": 224, "width": 224}, "do_rescale": true, "do_normalize": true,
      "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]})",
                    "test");
}

// As google/vit-base-patch16-224-in21k has it, of `side` pixels.
Json vit_preprocessor(int side) {
  return {{"image_processor_type", "ViTImageProcessor"},
          {"do_resize", true},
          {"size", {{"height", side}, {"width", side}}},
          {"resample", 2},
          {"do_normalize", true},
          {"image_mean", {0.5, 0.5, 0.5}},
          {"image_std", {0.5, 0.5, 0.5}}};
}

TEST(PreprocessorFile, AnotherSizeKeepsTheProportionOfTheCrop) {
  const Json crop = with_image_size(dinov2_preprocessor(), 112, "test");
  EXPECT_EQ(crop.at("crop_size"), Json({{"height", 112}, {"width", 112}}));
  EXPECT_EQ(crop.at("size").at("shortest_edge"), 128);
  const Json plain = with_image_size(vit_preprocessor(224), 32, "test");
  EXPECT_EQ(plain.at("size"), Json({{"height", 32}, {"width", 32}}));
  EXPECT_EQ(output_size(read_preprocessing(crop, "test")).width, 112);
  EXPECT_EQ(output_size(read_preprocessing(plain, "test")).height, 32);
}

std::string refusal(const Json& preprocessor, const ImageInput& input) {
  try {
    preprocessing_for(preprocessor, input, "p.json");
  } catch (const FileError& error) {
    return error.what();
  }
  return "";
}

TEST(PreprocessorFile, SizesThatTheModelDoesNotReadAreRefused) {
  const ImageInput fixed{16, 16, 4}, any{518, 518, 14, true};
  EXPECT_EQ(refusal(vit_preprocessor(16), fixed), "");
  EXPECT_EQ(refusal(dinov2_preprocessor(), any), "");
  EXPECT_THAT(refusal(vit_preprocessor(20), fixed), HasSubstr("images of 20 x 20 pixels"));
  EXPECT_THAT(refusal(vit_preprocessor(20), any), HasSubstr("not whole patches of 14"));
  EXPECT_THAT(refusal(Json(), fixed), HasSubstr("p.json: is missing"));
}

TEST(PreprocessorFile, TellsModelsOfImagesFromThoseOfText) {
  const TempDirectory directory;
  test::write_tiny_vision(directory / "bare", {.family = "dinov2", .bare = true});
  test::write_tiny_encoder(directory / "text", {.family = "bert"});
  const std::optional<ImageInput> images = image_input(directory / "bare");
  ASSERT_TRUE(images);
  EXPECT_EQ(images->patch, 4);
  EXPECT_FALSE(image_input(directory / "text"));
  EXPECT_FALSE(image_input(directory / "absent"));
}

TEST(PreprocessorFile, WrittenIsRead) {
  const TempDirectory directory;
  EXPECT_TRUE(read_preprocessor(directory.path()).is_null());
  write_preprocessor(directory.path(), Json());
  EXPECT_TRUE(read_preprocessor(directory.path()).is_null());
  write_preprocessor(directory.path(), vit_preprocessor(16));
  EXPECT_EQ(read_preprocessor(directory.path()), vit_preprocessor(16));
  write_file_atomic(directory / kPreprocessorFile, "[]");
  EXPECT_THROW(read_preprocessor(directory.path()), FileError);
}

// As CLIPProcessor of transformers 5 saves it, and reads it before the other file.
TEST(PreprocessorFile, TheFileOfAllProcessorsComesFirst) {
  const TempDirectory directory;
  const auto write = [&](const Json& json) {
    write_file_atomic(directory / "processor_config.json", dump_json(json));
  };
  write_preprocessor(directory.path(), vit_preprocessor(16));
  write({{"processor_class", "CLIPProcessor"}});
  EXPECT_EQ(read_preprocessor(directory.path()), vit_preprocessor(16));
  EXPECT_EQ(preprocessor_path(directory.path()), directory / kPreprocessorFile);
  write({{"processor_class", "CLIPProcessor"}, {"image_processor", vit_preprocessor(20)}});
  EXPECT_EQ(read_preprocessor(directory.path()), vit_preprocessor(20));
  EXPECT_EQ(preprocessor_path(directory.path()), directory / "processor_config.json");
  std::filesystem::remove(directory / kPreprocessorFile);
  EXPECT_EQ(read_preprocessor(directory.path()), vit_preprocessor(20));
  write({{"image_processor", 3}});
  EXPECT_THROW(read_preprocessor(directory.path()), FileError);
}

}  // namespace preprocessor_file_test
}  // namespace svtune
