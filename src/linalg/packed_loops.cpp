#include "linalg/packed_loops.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define SVTUNE_LOOP __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define SVTUNE_LOOP
#endif

namespace svtune::detail {

SVTUNE_LOOP
void add_floats_to_doubles(const float* part, double* sum, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) sum[i] += static_cast<double>(part[i]);
}

SVTUNE_LOOP
void interleave(const std::uint16_t* even, const std::uint16_t* odd, std::int64_t count,
                std::uint16_t* pairs) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    pairs[2 * i] = even[i];
    pairs[2 * i + 1] = odd[i];
  }
}

}  // namespace svtune::detail
