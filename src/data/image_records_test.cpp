// Data sets of images: folders, tables, IDX pairs.
#include "data/image_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/oracle_test_util.h"

namespace svtune {
namespace image_records_test {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

class ImageData : public ::testing::Test {
 protected:
  void add(const std::string& name, const std::string& content = "x") {
    fs::create_directories((folder_ / name).parent_path());
    write_file_atomic(folder_ / name, content);
  }
  std::string refusal(const std::string& name, const ImageOptions& options = {}) {
    try {
      read_images(folder_ / name, options);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  static std::vector<std::string> labels(const ImageRecords& images) {
    std::vector<std::string> out;
    for (const LabelledRecord& record : images.table.records) out.push_back(record.label);
    return out;
  }
  test::TempDirectory folder_;
};

TEST_F(ImageData, SubFoldersAreTheClasses) {
  add("pets/dog/b.jpg");
  add("pets/cat/deep/er/a.png");
  add("pets/cat/z.webp");
  add("pets/cat/.hidden");
  const ImageRecords images = read_images(folder_ / "pets", {});
  EXPECT_THAT(labels(images), ElementsAre("cat", "cat", "dog"));
  EXPECT_THAT(images.table.records[0].first, EndsWith("pets/cat/deep/er/a.png"));
  EXPECT_EQ(images.image_name(images.table.records[2]), (folder_ / "pets/dog/b.jpg").string());
}

TEST_F(ImageData, FoldersThatAreNoClassesAreNamed) {
  fs::create_directories(folder_ / "none");
  EXPECT_THAT(refusal("none"), HasSubstr("has no sub folders"));
  add("empty/cat/a.png");
  fs::create_directories(folder_ / "empty/dog/deep");
  EXPECT_THAT(refusal("empty"), HasSubstr("empty/dog: the folder of this class has no file"));
  add("splits/train/cat/a.png");
  add("splits/test/cat/a.png");
  EXPECT_THAT(refusal("splits"), HasSubstr("parts of a data set"));
  add("Capitals/Train/cat/a.png");
  add("Capitals/Testing/cat/a.png");
  add("Capitals/labels/cat/a.png");
  EXPECT_THAT(refusal("Capitals"), HasSubstr("no classes: Testing, Train"));
  add("cifar/train/a.png");
  add("cifar/tree/a.png");
  EXPECT_EQ(refusal("cifar"), "") << "a class may be called so";
  add("latin/caf\xE9/a.png");
  add("latin/dog/a.png");
  EXPECT_THAT(refusal("latin"), HasSubstr("is no UTF-8"));
  add("ring/cat/a.png");
  fs::create_directory_symlink(folder_ / "ring", folder_ / "ring/cat/again");
  EXPECT_THAT(refusal("ring"), HasSubstr("ring/cat/again: this link leads back"));
}

TEST_F(ImageData, FilesBesideTheClassesAreRefusedOrCounted) {
  add("pets/cat/a.png");
  add("pets/readme.txt");
  EXPECT_THAT(refusal("pets"), HasSubstr("pets/readme.txt: this file belongs to no class"));
  ImageOptions options;
  options.table.skip_bad_lines = true;
  const ImageRecords images = read_images(folder_ / "pets", options);
  EXPECT_EQ(images.table.num_bad, 1);
  EXPECT_EQ(images.table.records.size(), 1u);
}

TEST_F(ImageData, PathsOfATableAreBesideIt) {
  add("set/train.csv", "file_name,label\nimg/a.png,cat\n/abs/b.png,dog\n");
  const ImageRecords images = read_images(folder_ / "set/train.csv", {});
  ASSERT_EQ(images.table.records.size(), 2u);
  const LabelledRecord& first = images.table.records[0];
  EXPECT_EQ(first.first, (folder_ / "set/img/a.png").lexically_normal().string());
  EXPECT_EQ(images.table.records[1].first, "/abs/b.png");
  EXPECT_THAT(images.image_name(first), EndsWith("img/a.png (" + images.table.place(first) + ")"));
  EXPECT_THAT(images.table.place(first), EndsWith("train.csv:2"));
}

TEST_F(ImageData, ColumnsAreNamedOrKnown) {
  add("a.jsonl", R"({"image": "a.png", "label": 3})");
  EXPECT_THAT(labels(read_images(folder_ / "a.jsonl", {})), ElementsAre("3"));
  add("b.csv", "photo,kind\na.png,cat\n");
  EXPECT_THAT(refusal("b.csv"),
              HasSubstr("no column is known as the image; there are photo, kind"));
  ImageOptions options;
  options.image_column = "picture";
  options.table.label_column = "kind";
  EXPECT_THAT(refusal("b.csv", options), HasSubstr("--image-column"));
  options.image_column = "photo";
  EXPECT_THAT(labels(read_images(folder_ / "b.csv", options)), ElementsAre("cat"));
  add("c.csv", "image,label\na.png\n");
  EXPECT_THAT(refusal("c.csv"), HasSubstr("c.csv:2: the row has 1 cells"));
}

TEST_F(ImageData, PathsThatAreNoneAreTold) {
  const auto hint = [&](const std::string& path) -> std::string {
    add("odd.csv", "image,label\n" + path + ",cat\n");
    const ImageRecords images = read_images(folder_ / "odd.csv", {});
    try {
      load_image(images, images.table.records[0]);
    } catch (const FileError& error) {
      return error.hint();
    }
    return "";
  };
  EXPECT_THAT(hint("https://host/a.png"), HasSubstr("not by addresses"));
  EXPECT_THAT(hint("file:///tmp/a.png"), HasSubstr("not by addresses"));
  EXPECT_THAT(hint("images\\a.png"), HasSubstr("separated by /"));
  EXPECT_THAT(hint("~/a.png"), HasSubstr("write paths out"));
  add("odd.csv", "image,label\n,cat\n");
  EXPECT_THAT(refusal("odd.csv"), HasSubstr("odd.csv:2: the path of the image is empty"));
  add("odd.jsonl", "{\"image\": \"\", \"label\": \"cat\"}\n");
  EXPECT_THAT(refusal("odd.jsonl"), HasSubstr("odd.jsonl:1: the path of the image is empty"));
}

TEST_F(ImageData, MissingImagesAreNamedWithTheirRow) {
  add("train.csv", "image,label\ngone.png,cat\n");
  const ImageRecords images = read_images(folder_ / "train.csv", {});
  try {
    load_image(images, images.table.records[0]);
    FAIL();
  } catch (const FileError& error) {
    EXPECT_THAT(error.what(), HasSubstr("gone.png ("));
    EXPECT_THAT(error.what(), HasSubstr("train.csv:2): "));
  }
}

const std::string kImages(
    "\0\0\x08\x03\0\0\0\x02\0\0\0\x01\0\0\0\x01"
    "ab",
    18);

TEST_F(ImageData, AnIdxFileBringsItsLabels) {
  add("t-images-idx3-ubyte", kImages);
  add("t-labels-idx1-ubyte", std::string("\0\0\x08\x01\0\0\0\x02\x07\x01", 10));
  const ImageRecords images = read_images(folder_ / "t-images-idx3-ubyte", {});
  EXPECT_THAT(labels(images), ElementsAre("7", "1"));
  EXPECT_THAT(load_image(images, images.table.records[1]).rgb, ElementsAre('b', 'b', 'b'));
  EXPECT_THAT(images.image_name(images.table.records[1]), EndsWith("ubyte: image 2"));
}

TEST_F(ImageData, IdxFilesThatDoNotFitAreNamed) {
  add("t-images-idx3-ubyte", kImages);
  EXPECT_THAT(refusal("t-images-idx3-ubyte"), HasSubstr("the labels are not there: "));
  add("t-labels-idx1-ubyte", std::string("\0\0\x08\x01\0\0\0\x01\x07", 9));
  EXPECT_THAT(refusal("t-images-idx3-ubyte"), HasSubstr("1 labels, where"));
  add("odd.idx", kImages);
  EXPECT_THAT(refusal("odd.idx"), HasSubstr("has no \"images\""));
}

}  // namespace image_records_test
}  // namespace svtune
