// Named tensors to a safetensors file and back into tensors that already exist.
#pragma once

#include <filesystem>
#include <vector>

#include "nn/adapter.h"

namespace svtune {

// Writes all tensors; the file appears complete or not at all. Throws FileError.
void write_tensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors);

// Copies each tensor of the file that `into` names; others in the file are left alone. Nothing
// is copied unless all fit. Throws FileError naming the first that are missing or differ in shape
// or dtype, and the number of the others.
void read_tensors(const std::filesystem::path& path, const std::vector<NamedTensor>& into);

}  // namespace svtune
