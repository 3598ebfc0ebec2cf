// Element types of safetensors files, in the order in which a writer sorts them (ascending;
// files store the largest first).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace svtune {

enum class DType : std::uint8_t {
  kBool,
  kF4,
  kF6E2M3,
  kF6E3M2,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kF8E4M3Fnuz,
  kF8E5M2Fnuz,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kC64,
  kF64,
  kI64,
  kU64,
};

// Bits per element: 4, 6, 8, 16, 32 or 64.
int dtype_bits(DType dtype);
// Spelling in the file: "F32", "BF16", "F8_E4M3", ...
std::string_view dtype_name(DType dtype);
std::optional<DType> parse_dtype(std::string_view name);

}  // namespace svtune
