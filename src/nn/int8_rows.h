// Rows of values as int8 codes with one scale a row, in one part (7 bits and a sign) or two
// (15 bits), and sums of products of codes as values again. One fused pass each on the CPU, plain
// operators elsewhere; both give the same codes but where a value lies between two of them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace svtune {

// value = scale · (first part + second part / 254); scale = largest magnitude of the row / 127.
struct Int8Rows {
  at::Tensor codes;   // int8 [T, parts, n], contiguous
  at::Tensor scales;  // fp32 [T]; NaN or infinite for rows that hold such values

  std::int64_t parts() const { return codes.size(1); }
};

// `values` [T, n] in fp32 or bf16; each row is multiplied by `factors` [n] first, fp32, where they
// are defined. `parts` is 1 or 2. No value is further from its code than half a step: scale / 2 of
// one part, scale / 508 of two.
Int8Rows int8_rows(const at::Tensor& values, const at::Tensor& factors, std::int64_t parts);
Int8Rows int8_rows_plain(const at::Tensor& values, const at::Tensor& factors, std::int64_t parts);

// The largest magnitude of each column of `values` [T, n], fp32 [n]; T > 0.
at::Tensor column_magnitudes(const at::Tensor& values);

// y [T, n] = (y +) row_scales [T] · column_scales [n] · sums, rounded once; `sums` is int32
// [T, parts, n], contiguous, `column_scales` fp32 or undefined for 1, y contiguous.
void combine_int8_sums(const at::Tensor& sums, const at::Tensor& row_scales,
                       const at::Tensor& column_scales, const at::Tensor& y, bool accumulate);
void combine_int8_sums_plain(const at::Tensor& sums, const at::Tensor& row_scales,
                             const at::Tensor& column_scales, const at::Tensor& y, bool accumulate);

}  // namespace svtune
