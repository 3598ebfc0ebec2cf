// The few loops of the decompositions that are neither a library call nor free: compiled for
// several instruction sets, the best of which is chosen when the program starts.
#pragma once

#include <cstdint>

namespace svtune::detail {

// sum[i] += part[i]; ATen's mixed addition would convert through a temporary, at the price of
// the matrix product that made `part`.
void add_floats_to_doubles(const float* part, double* sum, std::int64_t count);

// Two rows of 16-bit values become pairs: [count, 2].
void interleave(const std::uint16_t* even, const std::uint16_t* odd, std::int64_t count,
                std::uint16_t* pairs);

}  // namespace svtune::detail
