#include "io/preprocessor_file.h"

#include <cmath>

#include "base/errors.h"
#include "base/files.h"
#include "io/new_head.h"
#include "models/families.h"

namespace svtune {
namespace {

std::string size_text(std::int64_t width, std::int64_t height) {
  return std::to_string(width) + " x " + std::to_string(height);
}

Json size_json(std::int32_t width, std::int32_t height) {
  return {{"height", height}, {"width", width}};
}

constexpr char kProcessorFile[] = "processor_config.json";
constexpr char kImagesKey[] = "image_processor";

// What processor_config.json says of images; null where it says nothing, as that of transformers 4.
Json nested_preprocessor(const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / kProcessorFile;
  if (!std::filesystem::exists(file)) return {};
  const Json json = read_json_file(file);
  const auto found = json.is_object() ? json.find(kImagesKey) : json.end();
  return found == json.end() ? Json() : Json(*found);
}

}  // namespace

std::optional<ImageInput> image_input(const std::filesystem::path& path) {
  const std::filesystem::path file = path / "config.json";
  if (!std::filesystem::is_directory(path) || !std::filesystem::exists(file)) return std::nullopt;
  const Json config = read_json_file(file);
  const Family* family = family_of(config);
  if (family == nullptr || !family->reads_images) return std::nullopt;
  // A model saved without a head is read as it will be used: with one.
  return parse_arch(with_head(config, NewHead{}, file.string()), file.string()).image;
}

Json read_preprocessor(const std::filesystem::path& directory) {
  if (!std::filesystem::is_directory(directory)) return {};
  const std::filesystem::path file = directory / kPreprocessorFile;
  Json json = nested_preprocessor(directory);
  if (!json.is_null()) {
    if (json.is_object()) return json;
    throw FileError((directory / kProcessorFile).string(),
                    std::string(kImagesKey) + ": an object is expected");
  }
  if (!std::filesystem::exists(file)) return {};
  json = read_json_file(file);
  if (!json.is_object()) throw FileError(file.string(), "an object is expected");
  return json;
}

std::filesystem::path preprocessor_path(const std::filesystem::path& directory) {
  const bool nested =
      std::filesystem::is_directory(directory) && !nested_preprocessor(directory).is_null();
  return directory / (nested ? kProcessorFile : kPreprocessorFile);
}

void write_preprocessor(const std::filesystem::path& directory, const Json& preprocessor) {
  if (preprocessor.is_null()) return;
  write_file_atomic(directory / kPreprocessorFile,
                    dump_json(preprocessor, {.indent = 2, .final_newline = true}));
}

Json with_image_size(Json preprocessor, std::int32_t pixels, const std::string& source) {
  const Preprocessing given = read_preprocessing(preprocessor, source);
  const auto scaled = [&](std::int32_t edge, std::int32_t crop) {
    return static_cast<std::int32_t>(
        std::lround(static_cast<double>(edge) * static_cast<double>(pixels) / crop));
  };
  if (given.do_center_crop) {
    preprocessor["crop_size"] = size_json(pixels, pixels);
    const ImageSize crop = given.crop_size;
    if (given.shortest_edge > 0) {
      preprocessor["size"] = {{"shortest_edge", scaled(given.shortest_edge, crop.height)}};
    } else {
      preprocessor["size"] =
          size_json(scaled(given.size.width, crop.width), scaled(given.size.height, crop.height));
    }
  } else {
    preprocessor["do_resize"] = true;
    preprocessor["size"] = size_json(pixels, pixels);
  }
  return preprocessor;
}

Preprocessing preprocessing_for(const Json& preprocessor, const ImageInput& input,
                                const std::string& source) {
  if (preprocessor.is_null()) {
    throw FileError(source, "is missing: it says how images become the model's input",
                    "Take it from where the model comes from, or write it as docs/data.md shows.");
  }
  const Preprocessing result = read_preprocessing(preprocessor, source);
  const ImageSize size = output_size(result);
  if (!input.any_size && (size.width != input.width || size.height != input.height)) {
    throw FileError(source,
                    "makes images of " + size_text(size.width, size.height) +
                        " pixels, the model reads those of " + size_text(input.width, input.height),
                    "The file belongs to another model.");
  }
  if (size.width % input.patch != 0 || size.height % input.patch != 0) {
    throw FileError(source,
                    "makes images of " + size_text(size.width, size.height) +
                        " pixels, which are not whole patches of " + std::to_string(input.patch),
                    "--image-size gives training another size.");
  }
  return result;
}

}  // namespace svtune
