// What stands before and behind a product in int8: rows of values to codes with one scale each,
// and sums of codes' products back to values.
#pragma once

#include <cstdint>

#include "nn/kernels/simd.h"

namespace svtune::kernels {

// What the second part of a value counts in: 1 / kPartSteps of a step of the first.
inline constexpr float kPartSteps = 254.0f;

// value = scale · (high + low / kPartSteps), scale = largest magnitude of the row / 127; without a
// second part the nearest high. Of rows with NaN or infinity the scale is such, so that products
// with them are.
template <class T>
struct QuantizeRowsArgs {
  const T* values;       // [rows, columns]
  const float* factors;  // [columns], multiply every row first; or null
  std::int8_t* high;     // [rows, columns], `stride` apart
  std::int8_t* low;      // the same, or null
  std::int64_t stride;
  float* scales;  // [rows]
  std::int64_t columns;
};

void quantize_rows(const QuantizeRowsArgs<float>& args, std::int64_t begin, std::int64_t end);
void quantize_rows(const QuantizeRowsArgs<Bf16>& args, std::int64_t begin, std::int64_t end);

// The largest magnitude of each column over the rows [begin, end), into [columns]; NaN counts as
// the largest.
void column_magnitudes(const float* values, std::int64_t columns, float* largest,
                       std::int64_t begin, std::int64_t end);
void column_magnitudes(const Bf16* values, std::int64_t columns, float* largest, std::int64_t begin,
                       std::int64_t end);

// y = (y +) row scale · column scale · (high + low / kPartSteps), rounded once.
template <class T>
struct CombineSumsArgs {
  const std::int32_t* high;  // [rows, columns], `stride` apart
  const std::int32_t* low;   // the same, or null
  std::int64_t stride;
  const float* row_scales;     // [rows]
  const float* column_scales;  // [columns], or null for 1
  T* y;                        // [rows, columns]
  std::int64_t columns;
  bool accumulate;
};

void combine_sums(const CombineSumsArgs<float>& args, std::int64_t begin, std::int64_t end);
void combine_sums(const CombineSumsArgs<Bf16>& args, std::int64_t begin, std::int64_t end);

}  // namespace svtune::kernels
