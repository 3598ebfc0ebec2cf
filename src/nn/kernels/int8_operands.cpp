#include "nn/kernels/int8_operands.h"

#include <algorithm>
#include <bit>

namespace svtune::kernels {
namespace {

constexpr float kCodes = 127.0f;
// A smaller magnitude has no inverse in fp32; such rows are zeros.
constexpr float kSmallest = 1e-35f;
// Added, it leaves a value rounded to an integer in the low bits of the mantissa.
constexpr float kRounder = 12582912.0f;

// As integers, magnitudes are ordered with infinity and NaN above all others.
SVTUNE_INLINE std::int32_t magnitude_bits(float value) {
  return std::bit_cast<std::int32_t>(value) & 0x7fffffff;
}

SVTUNE_INLINE std::int8_t low_byte(float shifted) {
  return static_cast<std::int8_t>(std::bit_cast<std::int32_t>(shifted));
}

template <bool kFactors, class T>
SVTUNE_INLINE float value_at(const T* row, const float* factors, std::int64_t i) {
  if constexpr (kFactors) return load(row[i]) * factors[i];
  return load(row[i]);
}

template <bool kFactors, class T>
SVTUNE_INLINE float largest_magnitude(const T* row, const float* factors, std::int64_t columns) {
  std::int32_t largest = 0;
#pragma omp simd reduction(max : largest)
  for (std::int64_t i = 0; i < columns; ++i) {
    largest = std::max(largest, magnitude_bits(value_at<kFactors>(row, factors, i)));
  }
  return std::bit_cast<float>(largest);
}

// Locals, because stores of int8 may change anything that is read through a pointer.
template <bool kFactors, class T>
SVTUNE_INLINE void quantize(const QuantizeRowsArgs<T>& a, std::int64_t begin, std::int64_t end) {
  const std::int64_t columns = a.columns;
  const float* factors = a.factors;
  for (std::int64_t r = begin; r < end; ++r) {
    const T* row = a.values + r * columns;
    std::int8_t* high = a.high + r * a.stride;
    const float largest = largest_magnitude<kFactors>(row, factors, columns);
    const bool empty = largest < kSmallest;
    const float inverse = empty ? 0.0f : kCodes / largest;
    a.scales[r] = empty ? 0.0f : largest / kCodes;
    if (a.low == nullptr) {
#pragma omp simd
      for (std::int64_t i = 0; i < columns; ++i) {
        high[i] = low_byte(value_at<kFactors>(row, factors, i) * inverse + kRounder);
      }
      continue;
    }
    std::int8_t* low = a.low + r * a.stride;
#pragma omp simd
    for (std::int64_t i = 0; i < columns; ++i) {
      const float steps = value_at<kFactors>(row, factors, i) * inverse;
      const float shifted = steps + kRounder;
      high[i] = low_byte(shifted);
      low[i] = low_byte((steps - (shifted - kRounder)) * kPartSteps + kRounder);
    }
  }
}

template <class T>
SVTUNE_INLINE void quantize_either(const QuantizeRowsArgs<T>& a, std::int64_t begin,
                                   std::int64_t end) {
  if (a.factors == nullptr) {
    quantize<false>(a, begin, end);
  } else {
    quantize<true>(a, begin, end);
  }
}

template <class T>
SVTUNE_INLINE void largest_of_columns(const T* values, std::int64_t columns, float* largest,
                                      std::int64_t begin, std::int64_t end) {
  std::fill(largest, largest + columns, 0.0f);
  for (std::int64_t r = begin; r < end; ++r) {
    const T* row = values + r * columns;
#pragma omp simd
    for (std::int64_t i = 0; i < columns; ++i) {
      const std::int32_t bits = magnitude_bits(load(row[i]));
      largest[i] = std::bit_cast<float>(std::max(bits, std::bit_cast<std::int32_t>(largest[i])));
    }
  }
}

template <bool kLow, bool kColumnScales, bool kAccumulate, class T>
SVTUNE_INLINE void combine(const CombineSumsArgs<T>& a, std::int64_t begin, std::int64_t end) {
  const std::int64_t columns = a.columns;
  const float* column_scales = a.column_scales;
  for (std::int64_t r = begin; r < end; ++r) {
    const std::int32_t* high = a.high + r * a.stride;
    const std::int32_t* low = kLow ? a.low + r * a.stride : nullptr;
    T* y = a.y + r * columns;
    const float scale = a.row_scales[r];
#pragma omp simd
    for (std::int64_t i = 0; i < columns; ++i) {
      float value = static_cast<float>(high[i]);
      if constexpr (kLow) value += static_cast<float>(low[i]) * (1 / kPartSteps);
      value *= scale;
      if constexpr (kColumnScales) value *= column_scales[i];
      if constexpr (kAccumulate) value += load(y[i]);
      store(&y[i], value);
    }
  }
}

template <bool kLow, bool kColumnScales, class T>
SVTUNE_INLINE void combine_into(const CombineSumsArgs<T>& a, std::int64_t begin, std::int64_t end) {
  if (a.accumulate) {
    combine<kLow, kColumnScales, true>(a, begin, end);
  } else {
    combine<kLow, kColumnScales, false>(a, begin, end);
  }
}

template <bool kLow, class T>
SVTUNE_INLINE void combine_scaled(const CombineSumsArgs<T>& a, std::int64_t begin,
                                  std::int64_t end) {
  if (a.column_scales != nullptr) {
    combine_into<kLow, true>(a, begin, end);
  } else {
    combine_into<kLow, false>(a, begin, end);
  }
}

template <class T>
SVTUNE_INLINE void combine_any(const CombineSumsArgs<T>& a, std::int64_t begin, std::int64_t end) {
  if (a.low != nullptr) {
    combine_scaled<true>(a, begin, end);
  } else {
    combine_scaled<false>(a, begin, end);
  }
}

}  // namespace

SVTUNE_CLONES void quantize_rows(const QuantizeRowsArgs<float>& args, std::int64_t begin,
                                 std::int64_t end) {
  quantize_either(args, begin, end);
}
SVTUNE_CLONES void quantize_rows(const QuantizeRowsArgs<Bf16>& args, std::int64_t begin,
                                 std::int64_t end) {
  quantize_either(args, begin, end);
}

SVTUNE_CLONES void column_magnitudes(const float* values, std::int64_t columns, float* largest,
                                     std::int64_t begin, std::int64_t end) {
  largest_of_columns(values, columns, largest, begin, end);
}
SVTUNE_CLONES void column_magnitudes(const Bf16* values, std::int64_t columns, float* largest,
                                     std::int64_t begin, std::int64_t end) {
  largest_of_columns(values, columns, largest, begin, end);
}

SVTUNE_CLONES void combine_sums(const CombineSumsArgs<float>& args, std::int64_t begin,
                                std::int64_t end) {
  combine_any(args, begin, end);
}
SVTUNE_CLONES void combine_sums(const CombineSumsArgs<Bf16>& args, std::int64_t begin,
                                std::int64_t end) {
  combine_any(args, begin, end);
}

}  // namespace svtune::kernels
