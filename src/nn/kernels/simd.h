// Helpers for the CPU kernels: storage types, conversion, a vectorisable exp, and the
// attribute that compiles a function once per instruction set and picks at run time.
#pragma once

#include <bit>
#include <cstdint>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define SVTUNE_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define SVTUNE_CLONES
#endif
#define SVTUNE_INLINE inline __attribute__((always_inline))

namespace svtune::kernels {

// bfloat16 in memory: the upper half of an fp32 value.
struct Bf16 {
  std::uint16_t bits;
};

SVTUNE_INLINE float load(float value) { return value; }
SVTUNE_INLINE float load(Bf16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}
SVTUNE_INLINE void store(float* target, float value) { *target = value; }
// Rounds to nearest even; a NaN keeps its sign and stays a NaN.
SVTUNE_INLINE void store(Bf16* target, float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  target->bits = static_cast<std::uint16_t>(value != value ? ((bits >> 16) | 0x40u) : rounded);
}

// exp by 2^k * p(f), relative error below 2e-7; the result saturates instead of overflowing.
SVTUNE_INLINE float fast_exp(float x) {
  x = x < -87.0f ? -87.0f : (x > 88.0f ? 88.0f : x);
  const float scaled = x * 1.44269504f;
  const float shifted = scaled + 12582912.0f;  // rounds to an integer in the low mantissa bits
  const float k = shifted - 12582912.0f;
  float f = x - k * 0.693359375f;
  f = f + k * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * f + 1.3981999507e-3f;
  p = p * f + 8.3334519073e-3f;
  p = p * f + 4.1665795894e-2f;
  p = p * f + 1.6666665459e-1f;
  p = p * f + 5.0000001201e-1f;
  p = p * f * f + f + 1.0f;
  const auto exponent = static_cast<std::int32_t>(k) << 23;
  return std::bit_cast<float>(std::bit_cast<std::int32_t>(p) + exponent);
}

}  // namespace svtune::kernels
