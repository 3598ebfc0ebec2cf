#include "linalg/packed_loops.h"

#include <algorithm>
#include <cmath>
#include <cstring>

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

// Blocks of 16 x 16 words: one line of the target at a time stays in the nearest cache.
SVTUNE_LOOP
void transpose_words(const std::uint16_t* source, std::int64_t rows, std::int64_t columns,
                     std::uint16_t* target) {
  constexpr std::int64_t kBlock = 16;
  const auto copy_word = [&](std::int64_t row, std::int64_t column) {
    std::memcpy(target + 2 * (column * rows + row), source + 2 * (row * columns + column), 4);
  };
  for (std::int64_t row = 0; row < rows; row += kBlock) {
    for (std::int64_t column = 0; column < columns; ++column) {
      for (std::int64_t i = row; i < std::min(row + kBlock, rows); ++i) copy_word(i, column);
    }
  }
}

SVTUNE_LOOP
void add_scaled(float factor, const float* x, float* y, std::int64_t size) {
#pragma omp simd
  for (std::int64_t i = 0; i < size; ++i) y[i] += factor * x[i];
}

SVTUNE_LOOP
float dot(const float* x, const float* y, std::int64_t size) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < size; ++i) sum += x[i] * y[i];
  return sum;
}

// Four rows at a time, so that y and x are passed over a quarter as often.
SVTUNE_LOOP
void multiply_symmetric(const float* a, std::int64_t stride, std::int64_t size, const float* x,
                        float* y) {
  std::fill_n(y, size, 0.0f);
  std::int64_t row = 0;
  for (; row + 4 <= size; row += 4) {
    const float* r0 = a + row * stride;
    const float *r1 = r0 + stride, *r2 = r1 + stride, *r3 = r2 + stride;
    const float x0 = x[row], x1 = x[row + 1], x2 = x[row + 2], x3 = x[row + 3];
    float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
    for (std::int64_t k = row + 4; k < size; ++k) {
      const float xk = x[k];
      s0 += r0[k] * xk;
      s1 += r1[k] * xk;
      s2 += r2[k] * xk;
      s3 += r3[k] * xk;
      y[k] += r0[k] * x0 + r1[k] * x1 + r2[k] * x2 + r3[k] * x3;
    }
    y[row] += s0 + r0[row] * x0 + r0[row + 1] * x1 + r0[row + 2] * x2 + r0[row + 3] * x3;
    y[row + 1] += s1 + r0[row + 1] * x0 + r1[row + 1] * x1 + r1[row + 2] * x2 + r1[row + 3] * x3;
    y[row + 2] += s2 + r0[row + 2] * x0 + r1[row + 2] * x1 + r2[row + 2] * x2 + r2[row + 3] * x3;
    y[row + 3] += s3 + r0[row + 3] * x0 + r1[row + 3] * x1 + r2[row + 3] * x2 + r3[row + 3] * x3;
  }
  for (; row < size; ++row) {
    const float* r = a + row * stride;
    y[row] += r[row] * x[row];
    for (std::int64_t k = row + 1; k < size; ++k) {
      y[row] += r[k] * x[k];
      y[k] += r[k] * x[row];
    }
  }
}

SVTUNE_LOOP
void count_below(const double* diagonal, const double* squares, std::int64_t size,
                 const double* shifts, std::int64_t* below) {
  constexpr double kTiny = 1e-280;  // instead of a pivot of zero
  double pivot[kSturmLanes];
  std::int64_t count[kSturmLanes];
  for (std::int64_t lane = 0; lane < kSturmLanes; ++lane) {
    pivot[lane] = diagonal[0] - shifts[lane];
    count[lane] = pivot[lane] < 0;
  }
  for (std::int64_t i = 1; i < size; ++i) {
    const double d = diagonal[i], square = squares[i - 1];
#pragma omp simd
    for (std::int64_t lane = 0; lane < kSturmLanes; ++lane) {
      const double last = std::abs(pivot[lane]) < kTiny ? kTiny : pivot[lane];
      pivot[lane] = d - shifts[lane] - square / last;
      count[lane] += pivot[lane] < 0 ? 1 : 0;
    }
  }
  std::copy_n(count, kSturmLanes, below);
}

}  // namespace svtune::detail
