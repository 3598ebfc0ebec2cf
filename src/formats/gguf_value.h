// Metadata values of a GGUF file. Strings and arrays are views into the mapped file: a
// vocabulary of 150,000 tokens costs one pass and no copies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

namespace svtune {

enum class GgufValueType : std::uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

// "u32", "string", ...
std::string_view gguf_value_type_name(GgufValueType type);

struct GgufArray {
  GgufValueType element = GgufValueType::kUint8;
  std::uint64_t size = 0;
  std::span<const std::byte> raw;         // numbers and bools, as stored
  std::vector<std::string_view> strings;  // when element is kString
  std::vector<GgufArray> arrays;          // when element is kArray

  // Element `i` as a number; 0 for strings, arrays and out-of-range indexes.
  double number(std::size_t i) const;
};

using GgufValue =
    std::variant<std::uint64_t, std::int64_t, double, bool, std::string_view, GgufArray>;

}  // namespace svtune
