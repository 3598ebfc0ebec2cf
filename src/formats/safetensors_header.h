// The header of a safetensors file: u64 length, JSON object, then the data. Every field is
// checked before anything is used, so the header may come from an untrusted source.
// Format: https://github.com/huggingface/safetensors, with the stricter rules listed below.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "formats/dtype.h"

namespace svtune {

struct TensorInfo {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;  // row-major; empty for a scalar
  std::uint64_t begin = 0;          // bytes from the start of the data section
  std::uint64_t end = 0;

  std::uint64_t byte_size() const { return end - begin; }
  std::int64_t element_count() const;
};

// "[576, 49152]".
std::string shape_text(std::span<const std::int64_t> shape);

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // by position in the file
  std::map<std::string, std::string> metadata;
  std::uint64_t data_offset = 0;  // bytes from the start of the file
};

// Parses and checks the header of `file` (its whole content; only the header is touched).
// Throws FileError naming the tensor and field: length over 100 MB or over the file, invalid
// JSON or UTF-8, duplicate or unknown keys, negative or fractional numbers, unknown dtype,
// rank above 64, overflow, size that does not fit dtype and shape, holes, overlaps, trailing
// or missing data, control characters in names.
SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file,
                                           const std::string& source_name);

namespace detail {
// Bytes of a tensor; throws FileError(source, "tensor ...") on overflow or a fractional byte.
std::uint64_t tensor_bytes(const std::string& source, const std::string& name, DType dtype,
                           std::span<const std::int64_t> shape);
}  // namespace detail

}  // namespace svtune
