// Models that llama.cpp's tools split over several files: NAME-00001-of-00003.gguf and so on. The
// first holds the metadata, each some of the tensors; keys "split.*" say which part a file is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "formats/gguf_header.h"

namespace svtune {

struct GgufSplit {
  std::uint64_t number = 0;              // of this part, from 0
  std::uint64_t count = 1;               // parts of the model
  std::optional<std::uint64_t> tensors;  // of all parts
};

// What a file says of itself; a file without the keys is a whole model. Throws FileError naming
// the key when its value is impossible.
GgufSplit gguf_split_of(const GgufHeader& header, const std::string& source_name);

// The files of all parts in order, found from the name of any one of them. Throws FileError when
// that name does not end in -00002-of-00003.gguf as the file itself says, or parts are missing,
// which it names.
std::vector<std::filesystem::path> gguf_part_paths(const std::filesystem::path& part,
                                                   const GgufSplit& split);

// One header for the whole model: the metadata of the first part and the tensors of all. `names`
// are the files, parallel to `parts`, at least one. Throws FileError naming the file whose keys
// contradict its place, a tensor that two parts hold, or a wrong number of tensors.
GgufHeader join_gguf_parts(std::vector<GgufHeader> parts, std::span<const std::string> names);

}  // namespace svtune
