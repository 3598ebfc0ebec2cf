// Tensor types of GGUF files: their numbers, block sizes and which of them svtune can expand.
// Source: the public format description (ggml's docs/gguf.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace svtune {

// The types that can be dequantised; files may name others.
enum class GgufType : std::uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kBF16 = 30,
};

struct GgufTypeTraits {
  std::uint32_t id = 0;
  std::string_view name;
  std::uint32_t block_elements = 0;  // along the row
  std::uint32_t block_bytes = 0;
  bool supported = false;  // can be dequantised
};

// nullptr for a number that is not a known type.
const GgufTypeTraits* gguf_type_traits(std::uint32_t id);
// "F32, F16, ...": for messages.
std::string gguf_supported_types();

}  // namespace svtune
