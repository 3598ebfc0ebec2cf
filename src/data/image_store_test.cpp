// The store of images: what it puts into batches, broken images, loading ahead.
#include "data/image_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/oracle_test_util.h"
#include "data/batch_stream.h"
#include "data/image_cache.h"
#include "data/numbered_jobs.h"

namespace svtune {
namespace image_store_test {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Grey 1 x 1 images of the values given, labels 0 and 1 in turn.
ImageRecords grey_images(std::vector<std::uint8_t> values) {
  ImageRecords images;
  images.table.name = "set";
  images.table.label_column = "label";
  for (std::size_t i = 0; i < values.size(); ++i) {
    images.table.records.push_back({"", {}, i % 2 == 0 ? "0" : "1", std::int64_t(i) + 1});
  }
  const auto count = static_cast<std::int64_t>(values.size());
  images.idx = std::make_shared<const IdxImages>(IdxImages{count, {1, 1}, std::move(values)});
  return images;
}

ImageStoreOptions tiny() {
  ImageStoreOptions options;
  options.preprocessing.size = {2, 1};
  options.preprocessing.do_normalize = false;
  options.preprocessing.do_rescale = false;
  options.tokens_per_image = 3;
  options.labels = LabelSet({"0", "1"});
  options.threads = 3;
  return options;
}

TEST(ImageStore, AppendsPixelsTokensAndClasses) {
  const ImageStore store(grey_images({10, 20}), tiny());
  PackedBatch batch;
  store.append_to(batch, 1);
  store.append_to(batch, 0);
  EXPECT_THAT(batch.pixels, ElementsAre(20, 20, 20, 20, 20, 20, 10, 10, 10, 10, 10, 10));
  EXPECT_EQ(batch.image_height, 1);
  EXPECT_EQ(batch.image_width, 2);
  EXPECT_THAT(batch.tokens, ElementsAre(0, 0, 0, 0, 0, 0));
  EXPECT_THAT(batch.positions, ElementsAre(0, 1, 2, 0, 1, 2));
  EXPECT_THAT(batch.offsets, ElementsAre(0, 3, 6));
  EXPECT_THAT(batch.classes, ElementsAre(1, 0));
  EXPECT_EQ(store.tokens(), 6);
  EXPECT_EQ(store.summary(), "set: 2 records; labels: 0 1 (50.0 %), 1 1 (50.0 %)");
}

TEST(ImageStore, BatchesAreThoseOfAStoreThatKeepsAllImages) {
  std::vector<std::uint8_t> values(200);
  std::iota(values.begin(), values.end(), std::uint8_t{0});
  std::vector<std::vector<float>> runs;
  for (const std::uint64_t memory :
       {std::uint64_t{1} << 20, std::uint64_t{6 * 50}, std::uint64_t{0}}) {
    ImageStoreOptions options = tiny();
    options.memory = memory;
    auto store = std::make_shared<const ImageStore>(grey_images(values), options);
    BatchStream stream(store, {.sequences = 7, .seed = 3, .epochs = 2});
    std::vector<float> pixels;
    while (const auto batch = stream.next()) {
      pixels.insert(pixels.end(), batch->pixels.begin(), batch->pixels.end());
    }
    runs.push_back(std::move(pixels));
  }
  EXPECT_EQ(runs[0].size(), 2u * 200 * 6);
  EXPECT_EQ(runs[1], runs[0]);
  EXPECT_EQ(runs[2], runs[0]);
}

TEST(ImageStore, FingerprintIsThatOfImagesAndLabels) {
  ImageStoreOptions options = tiny();
  const std::uint64_t one = ImageStore(grey_images({10, 20}), options).fingerprint();
  EXPECT_EQ(ImageStore(grey_images({10, 20}), options).fingerprint(), one);
  EXPECT_NE(ImageStore(grey_images({10, 21}), options).fingerprint(), one);
  ImageRecords swapped = grey_images({10, 20});
  std::swap(swapped.table.records[0].label, swapped.table.records[1].label);
  EXPECT_NE(ImageStore(std::move(swapped), options).fingerprint(), one);
}

class BrokenImages : public ::testing::Test {
 protected:
  // A PNG of one black pixel, as grey.
  const std::string png_ = std::string(
      "\x89PNG\r\n\x1A\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x8\0\0\0\0\x3A\x7E\x9B\x55\0\0\0\nIDAT\x78\x9C"
      "\x63\x60\0\0\0\2\0\1\x48\xAF\xA4\x71\0\0\0\0IEND\xAE\x42\x60\x82",
      67);

  ImageRecords records(int count, std::vector<int> broken) {
    for (int i = 0; i < count; ++i) {
      const fs::path path =
          folder_ / "set" / (i % 2 == 0 ? "0" : "1") / (std::to_string(i) + ".png");
      fs::create_directories(path.parent_path());
      const bool good = std::ranges::find(broken, i) == broken.end();
      write_file_atomic(path, good ? png_ : "GIF89a");
    }
    return read_images(folder_ / "set", {});
  }
  test::TempDirectory folder_;
};

TEST_F(BrokenImages, TheFirstOneEndsTheStart) {
  for (int round = 0; round < 5; ++round) {
    try {
      const ImageStore store(records(9, {4, 7, 8}), tiny());
      FAIL();
    } catch (const FileError& error) {
      EXPECT_THAT(error.what(), HasSubstr("set/0/4.png: a GIF file, which is not read"));
      EXPECT_THAT(error.hint(), HasSubstr("--skip-bad-lines"));
    }
  }
}

TEST_F(BrokenImages, AreLeftOutAndCounted) {
  ImageStoreOptions options = tiny();
  options.skip_bad_lines = true;
  std::int64_t done = 0;
  const ImageStore store(records(6, {2, 3}), options,
                         [&](std::int64_t so_far, std::int64_t) { done = so_far; });
  EXPECT_EQ(done, 6);
  EXPECT_EQ(store.size(), 4);
  EXPECT_THAT(store.class_of(3), 1);
  ASSERT_EQ(store.losses().size(), 1u);
  EXPECT_THAT(store.losses()[0], HasSubstr("2 bad images are left out"));
  EXPECT_THAT(store.losses()[0], HasSubstr("set/0/2.png: a GIF file"));
  EXPECT_THROW(ImageStore(records(6, {0, 1, 2, 3, 4, 5}), options), FileError);
}

TEST_F(BrokenImages, AreToldOneByOne) {
  const ImageRecords images = records(2, {1});
  const Preprocessing preprocessing = tiny().preprocessing;
  EXPECT_FALSE(image_problem(images, images.table.records[0], preprocessing).has_value());
  const auto problem = image_problem(images, images.table.records[1], preprocessing);
  ASSERT_TRUE(problem.has_value());
  EXPECT_THAT(problem->place, HasSubstr("set/1/1.png"));
  EXPECT_THAT(problem->problem, ::testing::StartsWith("a GIF file"));
}

TEST_F(BrokenImages, LabelsOfNoClassAreNamedFirst) {
  ImageStoreOptions options = tiny();
  options.labels = LabelSet({"0", "9"});
  try {
    const ImageStore store(records(2, {0}), options);
    FAIL();
  } catch (const FileError& error) {
    EXPECT_THAT(error.what(), HasSubstr("set/1/1.png: the label \"1\" is none of 0, 9"));
  }
}

TEST_F(BrokenImages, AnImageThatBreaksLaterIsNamed) {
  ImageStoreOptions options = tiny();
  options.memory = 0;
  const ImageStore store(records(2, {}), options);
  write_file_atomic(folder_ / "set/0/0.png", "gone bad");
  const std::vector<std::uint32_t> order = {0, 1};
  store.expect(order);
  PackedBatch batch;
  EXPECT_THROW(store.append_to(batch, 0), FileError);
  store.append_to(batch, 1);
  EXPECT_EQ(batch.classes.size(), 1u);
}

Image number_image(std::size_t index) { return {1, 1, {static_cast<std::uint8_t>(index), 0, 0}}; }

TEST(ImageCache, GivesTheRightImageInAnyOrder) {
  std::atomic<int> loads = 0;
  ImageCache cache(std::vector<std::optional<Image>>(100),
                   [&](std::size_t index) {
                     ++loads;
                     return number_image(index);
                   },
                   {.ahead = 4, .threads = 3});
  std::vector<std::uint32_t> order(100);
  std::iota(order.begin(), order.end(), 0u);
  cache.expect(order);
  for (const std::size_t index : {5u, 0u, 1u, 99u, 2u, 3u, 4u, 6u, 50u}) {
    cache.take(index, [&](const Image& image) { EXPECT_EQ(image.rgb[0], index); });
  }
  // Another order, in which some of what is loaded does not come any more.
  const std::vector<std::uint32_t> later = {70, 71, 7};
  cache.expect(later);
  for (const std::uint32_t index : later) {
    cache.take(index, [&](const Image& image) { EXPECT_EQ(image.rgb[0], index); });
  }
  EXPECT_LE(loads, 12 + 4 + 3);
}

TEST(NumberedJobs, TheFirstErrorDoesNotDependOnTiming) {
  for (int round = 0; round < 20; ++round) {
    const auto errors =
        run_jobs({.count = 50, .threads = 4, .stop_at_error = true, .run = [](std::size_t index) {
                    if (index % 7 == 6) throw std::runtime_error("bad");
                  }});
    const auto first = std::ranges::find_if(errors, [](const auto& e) { return e != nullptr; });
    EXPECT_EQ(first - errors.begin(), 6);
  }
}

TEST(NumberedJobs, AnErrorOfTheProgressEndsTheThreads) {
  std::atomic<int> ran = 0;
  NumberedJobs jobs{.count = 10, .threads = 2, .run = [&](std::size_t) { ++ran; }};
  jobs.progress = [](std::size_t) { throw std::runtime_error("stop"); };
  EXPECT_THROW(run_jobs(jobs), std::runtime_error);
  EXPECT_LE(ran, 10);
}

}  // namespace image_store_test
}  // namespace svtune
