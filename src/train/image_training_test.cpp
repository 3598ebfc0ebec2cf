// Images from the file to the network's answer, and a run that learns them.
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "adapter_files/loaded_model.h"
#include "base/files.h"
#include "base/oracle_test_util.h"
#include "data/image_store.h"
#include "eval/evaluate.h"
#include "io/preprocessor_file.h"
#include "io/tiny_vision_test_util.h"
#include "report/metrics_log.h"
#include "train/training_run.h"

namespace svtune {
namespace image_training_test {

namespace fs = std::filesystem;

using test::TempDirectory;

constexpr int kSide = 16;

Json preprocessor() {
  return {{"image_processor_type", "ViTImageProcessor"},
          {"do_resize", true},
          {"size", {{"height", kSide}, {"width", kSide}}},
          {"resample", 2},
          {"do_rescale", true},
          {"do_normalize", true},
          {"image_mean", {0.5, 0.5, 0.5}},
          {"image_std", {0.5, 0.5, 0.5}}};
}

std::string big_endian(std::vector<std::uint32_t> values) {
  std::string bytes;
  for (const std::uint32_t value : values) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift));
  }
  return bytes;
}

// Of image i, whose class is i % 3: a third of the rows is bright.
std::uint8_t grey(int image, int row, int column) {
  const bool bright = row * 3 / kSide == image % 3;
  return static_cast<std::uint8_t>((bright ? 190 : 60) + (image * 7 + row * 5 + column * 3) % 40);
}

// MNIST's form: DIRECTORY/NAME-images-idx3-ubyte and NAME-labels-idx1-ubyte.
fs::path write_idx(const fs::path& directory, const std::string& name, int count) {
  const auto images = static_cast<std::uint32_t>(count);
  std::string pixels = big_endian({0x803, images, kSide, kSide});
  std::string labels = big_endian({0x801, images});
  for (int i = 0; i < count; ++i) {
    labels.push_back(static_cast<char>(i % 3));
    for (int at = 0; at < kSide * kSide; ++at) {
      pixels.push_back(static_cast<char>(grey(i, at / kSide, at % kSide)));
    }
  }
  write_file_atomic(directory / (name + "-labels-idx1-ubyte"), labels);
  write_file_atomic(directory / (name + "-images-idx3-ubyte"), pixels);
  return directory / (name + "-images-idx3-ubyte");
}

// [1, 3, side, side], by hand.
at::Tensor pixels_of(int image) {
  at::Tensor pixels = at::empty({1, 3, kSide, kSide}, at::TensorOptions().dtype(at::kFloat));
  float* data = pixels.mutable_data_ptr<float>();
  for (int i = 0; i < 3 * kSide * kSide; ++i) {
    const int at = i % (kSide * kSide);
    data[i] = (static_cast<float>(grey(image, at / kSide, at % kSide)) / 255.0f - 0.5f) / 0.5f;
  }
  return pixels;
}

TEST(ImageStore, NetworkSeesThePreparedPixels) {
  const TempDirectory directory;
  test::write_tiny_vision(directory / "vit", {});
  const Model model = load_model(directory / "vit", {at::kFloat});
  ImageStoreOptions options;
  options.preprocessing = preprocessing_for(preprocessor(), *model.spec().image, "test");
  options.tokens_per_image = 17;
  options.labels = LabelSet({"0", "1", "2"});
  const ImageStore store(read_images(write_idx(directory.path(), "six", 6), {}), options);
  PackedBatch packed;
  store.append_to(packed, 4);
  store.append_to(packed, 2);
  const Batch batch = to_batch(packed);
  EXPECT_EQ(batch.document_targets[0].item<std::int64_t>(), 1);
  EXPECT_EQ(batch.num_tokens(), 2 * 17);
  const at::NoGradGuard no_grad;
  const at::Tensor got = model.net->document_logits(batch);
  const at::Tensor wanted =
      model.net->document_logits(test::image_batch(at::cat({pixels_of(4), pixels_of(2)}), 17));
  // The pixels differ by the rounding of their scale and shift.
  EXPECT_LT(test::max_difference(got, wanted), 1e-5);
}

TEST(ImageTraining, AnotherSizeIsLearnedAndFoundAgainWithTheAdapter) {
  const TempDirectory directory;
  test::write_tiny_vision(directory / "model", {.family = "dinov2", .bare = true});
  write_preprocessor(directory / "model", preprocessor());
  TrainOptions options;
  options.model.model = directory / "model";
  options.data.task = TrainTask::kClassify;
  options.data.data = write_idx(directory.path(), "train", 24);
  options.data.eval_data = write_idx(directory.path(), "test", 9);
  options.data.image_size = 8;
  options.method = LoraConfig{};
  options.train.max_steps = 20;
  options.train.batch.batch_size = 6;
  options.train.batch.gradient_accumulation = 1;
  options.train.schedule.learning_rate = 5e-3;
  options.run.output = directory / "run";
  RunObserver observer;
  run_training(options, observer);
  const auto points = read_metrics(directory / "run" / "metrics.jsonl").points;
  ASSERT_FALSE(points.empty());
  ASSERT_TRUE(points.back().eval_accuracy);
  EXPECT_LT(*points.back().eval_loss, *points.front().loss);
  LoadedModel loaded = load_with_adapter(directory / "model", directory / "run" / "adapter", {});
  EXPECT_EQ(loaded.model.preprocessor.at("size").at("height"), 8);
  EvalOptions what;
  what.task = Classification{};
  what.data = *options.data.eval_data;
  what.batch_size = 4;
  EvalObserver silent;
  const Score score = evaluate(loaded, nullptr, what, silent);
  // The same images in batches of other sizes.
  EXPECT_EQ(score.figure("accuracy"), *points.back().eval_accuracy);
  EXPECT_NEAR(score.figure("loss"), *points.back().eval_loss, 1e-5);
}

}  // namespace image_training_test
}  // namespace svtune
