#include "quant/kernels/int8_row_kernels.h"

#include <bit>

namespace svtune::kernels {
namespace {

constexpr float kInverse127 = 7.874015718698502e-3f;
constexpr float kSmallestAbsmax = 1e-36f;
constexpr float kRoundToInteger = 12582912.0f;  // 1.5 · 2^23: adding it rounds to an integer

float row_absmax(const float* values, std::int64_t size) {
  std::int32_t largest = 0;  // non-negative floats order like their bits, inf and NaN on top
  for (std::int64_t i = 0; i < size; ++i) {
    const std::int32_t bits = std::bit_cast<std::int32_t>(values[i]) & 0x7fffffff;
    largest = bits > largest ? bits : largest;
  }
  return std::bit_cast<float>(largest);
}

}  // namespace

float quantize_int8_row(const float* values, std::int64_t size, std::int8_t* codes) {
  const float absmax = row_absmax(values, size);
  // Two roundings, as in bitsandbytes. A row whose reciprocal overflows is zero for all purposes.
  const float factor = absmax >= kSmallestAbsmax ? (1.0f / absmax) * 127.0f : 0.0f;
  for (std::int64_t i = 0; i < size; ++i) {
    const float shifted = values[i] * factor + kRoundToInteger;
    codes[i] = static_cast<std::int8_t>(std::bit_cast<std::int32_t>(shifted) -
                                        std::bit_cast<std::int32_t>(kRoundToInteger));
  }
  return absmax;
}

void dequantize_int8_row(const std::int8_t* codes, float absmax, std::int64_t size, float* values) {
  for (std::int64_t i = 0; i < size; ++i) {
    values[i] = static_cast<float>(codes[i]) * absmax * kInverse127;
  }
}

}  // namespace svtune::kernels
