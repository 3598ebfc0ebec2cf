// Conversions between float32 and the 16-bit float types, one value or a whole array. To 16
// bits: round to nearest, ties to even; NaN stays NaN.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/dtype.h"

namespace svtune {

inline float bf16_to_f32(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

inline std::uint16_t f32_to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return static_cast<std::uint16_t>(bits >> 16 | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}

inline float f16_to_f32(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16;
  const std::uint32_t rest = half & 0x7FFFU;
  // Normal: move exponent and fraction, re-bias. Subnormal: let a float subtraction do it.
  std::uint32_t bits = (rest << 13) + 0x38000000U;
  if (rest >= 0x7C00U) {
    bits += 0x38000000U;
  } else if (rest < 0x0400U) {
    const float magic = std::bit_cast<float>(0x38800000U);  // 2^-14
    bits = std::bit_cast<std::uint32_t>(std::bit_cast<float>(bits + 0x00800000U) - magic);
  }
  return std::bit_cast<float>(sign | bits);
}

inline std::uint16_t f32_to_f16(float value) {
  const auto all = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = all >> 16 & 0x8000U;
  const std::uint32_t bits = all & 0x7FFFFFFFU;
  std::uint32_t half;
  if (bits > 0x7F800000U) {
    half = 0x7E00U | (bits >> 13 & 0x3FFU);
  } else if (bits >= 0x47800000U) {  // 2^16 and above
    half = 0x7C00U;
  } else if (bits < 0x38800000U) {  // below 2^-14: align to the subnormal grid by addition
    const float magic = 0.5F;
    half = std::bit_cast<std::uint32_t>(std::bit_cast<float>(bits) + magic) -
           std::bit_cast<std::uint32_t>(magic);
  } else {
    half = (bits - 0x38000000U + 0xFFFU + (bits >> 13 & 1U)) >> 13;
  }
  return static_cast<std::uint16_t>(sign | half);
}

// False when a value of the floating-point types F16, BF16, F32 and F64 is infinite or NaN; other
// types always are finite. The data may be unaligned.
bool all_finite(DType dtype, std::span<const std::byte> data);

// `from` holds from.size() / element-size values of `dtype` (F32, F16, BF16 or F64), possibly
// unaligned; `to` must have as many. Throws Error for another dtype or sizes that differ.
void convert_to_f32(DType dtype, std::span<const std::byte> from, std::span<float> to);

// Writes from.size() values of `dtype` (F32, F16 or BF16) into `to`; throws like above.
void convert_from_f32(DType dtype, std::span<const float> from, std::span<std::byte> to);

}  // namespace svtune
