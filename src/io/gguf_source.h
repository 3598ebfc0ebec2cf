// Weights of a GGUF file, dequantised on reading, behind the same interface as a directory.
#pragma once

#include <filesystem>
#include <memory>

#include "io/model.h"

namespace svtune {

// Fills the configuration and the weights. Throws FileError for a malformed file or an
// architecture or quantisation that is not supported.
void open_gguf(const std::filesystem::path& path, Json& config,
               std::shared_ptr<const WeightSource>& weights);

}  // namespace svtune
