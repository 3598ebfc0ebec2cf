// The files of a model directory beside config.json and the weights.
#pragma once

#include <filesystem>

namespace svtune {

// Copies tokenizer, chat template, preparation of images and generation settings that lie in
// `from`, a model directory; from a .gguf file they are written as `svtune convert` does.
void copy_companion_files(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace svtune
