// The header of one GGUF file (versions 2 and 3, little-endian). Format: ggml's docs/gguf.md.
// Everything read from the file is checked before use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "formats/gguf_types.h"
#include "formats/gguf_value.h"

namespace svtune {

struct GgufTensorInfo {
  std::string name;
  std::uint32_t type = 0;           // see gguf_type_traits
  std::vector<std::int64_t> shape;  // row-major, slowest first: a matrix is [out, in]
  std::uint64_t offset = 0;         // bytes from the start of its file
  std::uint64_t bytes = 0;
  std::size_t part = 0;  // of a split model: which file holds it

  std::int64_t element_count() const;
};

struct GgufHeader {
  std::uint32_t version = 0;
  std::map<std::string, GgufValue, std::less<>> metadata;  // views into the parsed bytes
  std::vector<GgufTensorInfo> tensors;                     // in file order
};

// Parses and checks everything but the tensor data. Throws FileError naming the key or
// tensor and the byte: wrong magic or version, lengths past the end, unknown types, duplicate
// names, arrays nested deeper than 4, rank above 4, overflow, misaligned or overlapping data.
GgufHeader parse_gguf_header(std::span<const std::byte> file, const std::string& source_name);

}  // namespace svtune
