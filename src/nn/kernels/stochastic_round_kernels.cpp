#include "nn/kernels/stochastic_round_kernels.h"

#include <algorithm>
#include <bit>

#include "nn/kernels/simd.h"

namespace svtune::kernels {
namespace {

constexpr std::int64_t kRun = 4096;  // values that share a 32-bit seed

// The finaliser of SplitMix64, and of MurmurHash3 for 32 bits.
SVTUNE_INLINE std::uint64_t mix(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
  return value ^ (value >> 31);
}
SVTUNE_INLINE std::uint32_t mix(std::uint32_t value) {
  value = (value ^ (value >> 16)) * 0x85EBCA6Bu;
  value = (value ^ (value >> 13)) * 0xC2B2AE35u;
  return value ^ (value >> 16);
}

// Below 2^-14 fp16 steps by 2^-24: the number of steps, with 24 random bits below it.
SVTUNE_INLINE std::uint32_t subnormal_fp16(std::uint32_t magnitude, std::uint32_t random) {
  const float steps = std::bit_cast<float>(magnitude) * 16777216.0f;
  const float below = static_cast<float>(random >> 8) * (1.0f / 16777216.0f);
  const auto whole = static_cast<std::int32_t>(steps);
  return static_cast<std::uint32_t>(whole + (steps - static_cast<float>(whole) > below ? 1 : 0));
}

SVTUNE_INLINE std::uint32_t bf16_bits(std::uint32_t bits, std::uint32_t random) {
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  const std::uint32_t nearest = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  const std::uint32_t drawn = (bits + (random >> 16)) >> 16;
  const std::uint32_t nan = (bits >> 16) | 0x40u;
  const std::uint32_t finite = (drawn & 0x7FFFu) >= 0x7F80u ? nearest : drawn;
  return magnitude > 0x7F800000u ? nan : finite;
}

SVTUNE_INLINE std::uint32_t fp16_bits(std::uint32_t bits, std::uint32_t random) {
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  const std::uint32_t rebiased = magnitude - 0x38000000u;
  const std::uint32_t nearest = (rebiased + 0xFFFu + ((magnitude >> 13) & 1u)) >> 13;
  const std::uint32_t drawn = (rebiased + (random >> 19)) >> 13;
  const std::uint32_t normal = drawn >= 0x7C00u ? nearest : drawn;
  const bool tiny = magnitude < 0x38800000u;
  const std::uint32_t small = subnormal_fp16(tiny ? magnitude : 0, random);
  const std::uint32_t finite = tiny ? small : normal;
  const std::uint32_t nan = 0x7E00u | ((magnitude >> 13) & 0x3FFu);
  const std::uint32_t large = magnitude > 0x7F800000u ? nan : 0x7C00u;
  return sign | (magnitude >= 0x47800000u ? large : finite);
}

SVTUNE_INLINE std::uint32_t seed_of_part(std::uint64_t seed, std::int64_t part) {
  return static_cast<std::uint32_t>(
      mix(seed + 0x9E3779B97F4A7C15u * static_cast<std::uint64_t>(part + 1)));
}
SVTUNE_INLINE std::uint32_t random_bits(std::uint32_t seed, std::int64_t index) {
  return mix(seed + 0x9E3779B9u * static_cast<std::uint32_t>(index));
}

// `scaled` and `added` are constants, so that the loop has no branch.
SVTUNE_INLINE void sum_rows(const ScaledSumArgs& a, std::int64_t begin, std::int64_t end,
                            std::uint64_t seed, bool scaled, bool added) {
  for (std::int64_t row = begin; row < end; ++row) {
    const std::uint32_t own = seed_of_part(seed, row);
    const Bf16* left = a.left + row * a.width;
    const Bf16* right = added ? a.right + row * a.width : left;
    std::uint16_t* out = a.out + row * a.width;
#pragma omp simd
    for (std::int64_t i = 0; i < a.width; ++i) {
      const float product = scaled ? load(left[i]) * a.scale[i] : load(left[i]);
      const float sum = added ? product + load(right[i]) : product;
      out[i] = static_cast<std::uint16_t>(
          bf16_bits(std::bit_cast<std::uint32_t>(sum), random_bits(own, i)));
    }
  }
}

// Runs of values of one seed each, from the run that holds `begin`.
template <class Round>
SVTUNE_INLINE void round_runs(const float* from, std::uint16_t* to, std::int64_t begin,
                              std::int64_t end, std::uint64_t seed, const Round& round) {
  while (begin < end) {
    const std::int64_t run = begin / kRun, stop = std::min(end, (run + 1) * kRun);
    const std::uint32_t own = seed_of_part(seed, run);
    for (std::int64_t i = begin; i < stop; ++i) {
      const std::uint32_t random = random_bits(own, i - run * kRun);
      to[i] = static_cast<std::uint16_t>(round(std::bit_cast<std::uint32_t>(from[i]), random));
    }
    begin = stop;
  }
}

}  // namespace

SVTUNE_CLONES void round_to_bf16(const float* from, std::uint16_t* to, std::int64_t begin,
                                 std::int64_t end, std::uint64_t seed) {
  round_runs(from, to, begin, end, seed,
             [](std::uint32_t bits, std::uint32_t random) { return bf16_bits(bits, random); });
}

SVTUNE_CLONES void round_to_fp16(const float* from, std::uint16_t* to, std::int64_t begin,
                                 std::int64_t end, std::uint64_t seed) {
  round_runs(from, to, begin, end, seed,
             [](std::uint32_t bits, std::uint32_t random) { return fp16_bits(bits, random); });
}

SVTUNE_CLONES void round_scaled_sum(const ScaledSumArgs& args, std::int64_t begin, std::int64_t end,
                                    std::uint64_t seed) {
  if (args.scale == nullptr && args.right == nullptr) {
    sum_rows(args, begin, end, seed, /*scaled=*/false, /*added=*/false);
  } else if (args.scale == nullptr) {
    sum_rows(args, begin, end, seed, /*scaled=*/false, /*added=*/true);
  } else if (args.right == nullptr) {
    sum_rows(args, begin, end, seed, /*scaled=*/true, /*added=*/false);
  } else {
    sum_rows(args, begin, end, seed, /*scaled=*/true, /*added=*/true);
  }
}

}  // namespace svtune::kernels
