// preprocessor_config.json of a model directory: how its images become pixels of one size.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/json.h"
#include "images/preprocess.h"
#include "models/arch_spec.h"

namespace svtune {

inline constexpr char kPreprocessorFile[] = "preprocessor_config.json";

// What images the model at `path` reads; nullopt for models of text. Throws FileError where its
// config.json cannot be read.
std::optional<ImageInput> image_input(const std::filesystem::path& path);

// The content of preprocessor_path(), null where `directory` has no such file. Throws FileError.
Json read_preprocessor(const std::filesystem::path& directory);
// preprocessor_config.json, or the processor_config.json that transformers 5 writes for all that a
// model reads: what that holds of images comes first, as there. Throws FileError where one cannot
// be read.
std::filesystem::path preprocessor_path(const std::filesystem::path& directory);
// Nothing is written for null.
void write_preprocessor(const std::filesystem::path& directory, const Json& preprocessor);

// The same preparation with prepared images of `pixels` x `pixels`: a crop and what is resized
// before it keep their proportion. Throws FileError naming `source` for what read_preprocessing()
// refuses.
Json with_image_size(Json preprocessor, std::int32_t pixels, const std::string& source);

// The preparation of images for a model that reads `input`. Throws FileError naming `source` when
// it is null or makes images of a size that the model does not read, and what read_preprocessing()
// throws.
Preprocessing preprocessing_for(const Json& preprocessor, const ImageInput& input,
                                const std::string& source);

}  // namespace svtune
