// Array conversions; see float_convert.h.
#include "formats/float_convert.h"

#include <cstring>
#include <string>

#include "base/errors.h"

namespace svtune {
namespace {

void require_sizes(const char* function, DType dtype, std::size_t bytes, std::size_t values) {
  const bool known =
      dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF64;
  if (!known) {
    throw Error(std::string("[") + function + "] got dtype " + std::string(dtype_name(dtype)) +
                ", need F32, F16, BF16 or F64");
  }
  if (bytes != values * static_cast<std::size_t>(dtype_bits(dtype)) / 8) {
    throw Error(std::string("[") + function + "] got " + std::to_string(bytes) + " bytes for " +
                std::to_string(values) + " values");
  }
}

template <typename Raw, typename Convert>
void widen(std::span<const std::byte> from, std::span<float> to, Convert convert) {
  for (std::size_t i = 0; i < to.size(); ++i) {
    Raw raw;
    std::memcpy(&raw, from.data() + i * sizeof raw, sizeof raw);
    to[i] = convert(raw);
  }
}

template <typename Convert>
void narrow(std::span<const float> from, std::span<std::byte> to, Convert convert) {
  for (std::size_t i = 0; i < from.size(); ++i) {
    const std::uint16_t raw = convert(from[i]);
    std::memcpy(to.data() + i * sizeof raw, &raw, sizeof raw);
  }
}

// Whether no value has all the bits of `exponent` set. Without a branch, so that it vectorises.
template <typename Raw>
bool exponents_below(std::span<const std::byte> data, Raw exponent) {
  bool found = false;
  for (std::size_t i = 0; i < data.size() / sizeof(Raw); ++i) {
    Raw raw;
    std::memcpy(&raw, data.data() + i * sizeof raw, sizeof raw);
    found |= (raw & exponent) == exponent;
  }
  return !found;
}

}  // namespace

bool all_finite(DType dtype, std::span<const std::byte> data) {
  switch (dtype) {
    case DType::kF16:
      return exponents_below<std::uint16_t>(data, 0x7C00);
    case DType::kBF16:
      return exponents_below<std::uint16_t>(data, 0x7F80);
    case DType::kF32:
      return exponents_below<std::uint32_t>(data, 0x7F800000);
    case DType::kF64:
      return exponents_below<std::uint64_t>(data, 0x7FF0000000000000);
    default:
      return true;
  }
}

void convert_to_f32(DType dtype, std::span<const std::byte> from, std::span<float> to) {
  require_sizes("convert_to_f32", dtype, from.size(), to.size());
  if (to.empty()) return;
  switch (dtype) {
    case DType::kF16:
      return widen<std::uint16_t>(from, to, f16_to_f32);
    case DType::kBF16:
      return widen<std::uint16_t>(from, to, bf16_to_f32);
    case DType::kF64:
      return widen<double>(from, to, [](double value) { return static_cast<float>(value); });
    default:
      std::memcpy(to.data(), from.data(), from.size());
  }
}

void convert_from_f32(DType dtype, std::span<const float> from, std::span<std::byte> to) {
  require_sizes("convert_from_f32", dtype, to.size(), from.size());
  if (from.empty()) return;
  switch (dtype) {
    case DType::kF16:
      return narrow(from, to, f32_to_f16);
    case DType::kBF16:
      return narrow(from, to, f32_to_bf16);
    case DType::kF32:
      std::memcpy(to.data(), from.data(), to.size());
      return;
    default:
      throw Error("[convert_from_f32] got dtype F64, need F32, F16 or BF16");
  }
}

}  // namespace svtune
