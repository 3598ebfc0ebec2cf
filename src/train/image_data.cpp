#include "train/image_data.h"

#include <algorithm>
#include <string>

#include "base/errors.h"
#include "images/idx.h"
#include "io/preprocessor_file.h"

namespace svtune {
namespace {

namespace fs = std::filesystem;

void require_absent(bool given, const std::string& option, const TrainOptions& options,
                    bool reads_images) {
  if (!given) return;
  const char* const kinds[] = {"text", "images"};
  throw UsageError(option + " applies only to models that read " + kinds[reads_images ? 0 : 1] +
                       " (" + options.model.model.string() + " reads " +
                       kinds[reads_images ? 1 : 0] + ")",
                   "Leave it out, or give another --model.");
}

void check_text_data(const TrainOptions& options, const std::string& option, const fs::path& path) {
  const bool folder = fs::is_directory(path);
  const bool labels = learns_labels(options.data.task);
  if (!folder && !(labels && fs::is_regular_file(path) && is_idx(path))) return;
  throw UsageError(option + " " + path.string() + " holds images, but " +
                       options.model.model.string() + " reads text",
                   folder
                       ? "Give a file of texts, or a model that reads images (ViT, DINOv2, CLIP)."
                       : "Give a model that reads images (ViT, DINOv2, CLIP).");
}

void check_text_run(const TrainOptions& options) {
  const DataFileOptions& data = options.data;
  require_absent(!data.images.image_column.empty(), "--image-column", options, false);
  require_absent(data.image_size.has_value(), "--image-size", options, false);
  check_text_data(options, "--data", data.data);
  if (data.eval_data) check_text_data(options, "--eval-data", *data.eval_data);
}

void check_image_run(const TrainOptions& options) {
  if (!learns_labels(options.data.task) || options.data.task == TrainTask::kTag) {
    throw UsageError(options.model.model.string() + " reads images and has no words to learn",
                     "Give --task classify.");
  }
  require_absent(!options.data.labelled.text_columns.empty(), "--text-columns", options, true);
  const bool limited = options.train.batch.max_length != BatchConfig{}.max_length ||
                       std::ranges::count(options.given, std::string("max_length")) > 0;
  require_absent(limited, "--max-length", options, true);
  require_absent(options.model.resize_embeddings, "--resize-embeddings", options, true);
  require_absent(!options.targets.trainable_token_indices.empty(), "--trainable-token-indices",
                 options, true);
}

void check_size(std::int64_t pixels, const ImageInput& input) {
  const std::string got = "--image-size " + std::to_string(pixels);
  if (pixels % input.patch != 0) {
    const std::int64_t below = pixels / input.patch * input.patch;
    throw UsageError(got + " is not a whole number of the model's patches of " +
                         std::to_string(input.patch) + " pixels",
                     "Give " + (below > 0 ? std::to_string(below) + " or " : "") +
                         std::to_string(below + input.patch) + ".");
  }
  if (!input.any_size && (pixels != input.width || pixels != input.height)) {
    throw UsageError(
        got + ": the model reads images of " + std::to_string(input.width) + " x " +
            std::to_string(input.height) + " pixels alone",
        "Leave it out; DINOv2 reads other sizes. transformers would not read what such a "
        "run saves unless it is told each time to interpolate the positions.");
  }
}

// An adapter that is trained further keeps its preparation.
fs::path preprocessor_folder(const TrainOptions& options) {
  const std::optional<fs::path>& adapter = options.model.adapter;
  const bool own = adapter && fs::exists(*adapter / kPreprocessorFile);
  return own ? *adapter : options.model.model;
}

}  // namespace

std::optional<ImagePlan> plan_images(const TrainOptions& options) {
  const std::optional<ImageInput> input = image_input(options.model.model);
  if (!input) {
    check_text_run(options);
    return std::nullopt;
  }
  check_image_run(options);
  const std::optional<std::int64_t>& pixels = options.data.image_size;
  if (pixels) check_size(*pixels, *input);
  const fs::path folder = preprocessor_folder(options);
  const std::string source = preprocessor_path(folder).string();
  ImagePlan plan;
  plan.preprocessor = read_preprocessor(folder);
  if (pixels && !plan.preprocessor.is_null()) {
    plan.preprocessor =
        with_image_size(std::move(plan.preprocessor), static_cast<std::int32_t>(*pixels), source);
  }
  plan.preprocessing = preprocessing_for(plan.preprocessor, *input, source);
  const ImageSize size = output_size(plan.preprocessing);
  plan.tokens = image_tokens(*input, size.height, size.width);
  return plan;
}

}  // namespace svtune
