// Rounding fp32 to a 16-bit type, up or down at random with the probability that makes the
// mean right: a value a third of the way to the next one goes there in a third of the cases.
#pragma once

#include <cstdint>

#include "nn/kernels/simd.h"

namespace svtune::kernels {

// Rounds values [begin, end) of `from` into the bits `to`. Each value's random number is a
// function of `seed` and its index alone. Values on the target's grid, infinities and NaN stay;
// a finite value becomes infinite only where rounding to nearest makes it so.
void round_to_bf16(const float* from, std::uint16_t* to, std::int64_t begin, std::int64_t end,
                   std::uint64_t seed);
void round_to_fp16(const float* from, std::uint16_t* to, std::int64_t begin, std::int64_t end,
                   std::uint64_t seed);

struct ScaledSumArgs {
  const Bf16* left;    // [rows, width]
  const float* scale;  // [width], or null for 1
  const Bf16* right;   // [rows, width], or null for 0
  std::uint16_t* out;  // [rows, width]
  std::int64_t width;
};

// out = left ∘ scale + right for rows [begin, end), rounded from fp32 as above. The random number
// of a value is a function of `seed`, its row and its column.
void round_scaled_sum(const ScaledSumArgs& args, std::int64_t begin, std::int64_t end,
                      std::uint64_t seed);

}  // namespace svtune::kernels
