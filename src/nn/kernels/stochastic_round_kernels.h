// Rounding fp32 to a 16-bit type, up or down at random with the probability that makes the
// mean right: a value a third of the way to the next one goes there in a third of the cases.
#pragma once

#include <cstdint>

namespace svtune::kernels {

// Rounds values [begin, end) of `from` into the bits `to`. Each value's random number is a
// function of `seed` and its index alone. Values on the target's grid, infinities and NaN stay;
// a finite value becomes infinite only where rounding to nearest makes it so.
void round_to_bf16(const float* from, std::uint16_t* to, std::int64_t begin, std::int64_t end,
                   std::uint64_t seed);
void round_to_fp16(const float* from, std::uint16_t* to, std::int64_t begin, std::int64_t end,
                   std::uint64_t seed);

}  // namespace svtune::kernels
