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

// 32-bit words: target [columns, rows] becomes the transpose of source [rows, columns].
void transpose_words(const std::uint16_t* source, std::int64_t rows, std::int64_t columns,
                     std::uint16_t* target);

// y += factor · x
void add_scaled(float factor, const float* x, float* y, std::int64_t size);
float dot(const float* x, const float* y, std::int64_t size);

// y = A x for a symmetric A [size, size] whose upper half is read; rows are `stride` apart.
void multiply_symmetric(const float* a, std::int64_t stride, std::int64_t size, const float* x,
                        float* y);

// Eigenvalues below each of kSturmLanes shifts, of the symmetric tridiagonal matrix with this
// diagonal [size] and these squares of its off-diagonal [size - 1].
inline constexpr std::int64_t kSturmLanes = 16;
void count_below(const double* diagonal, const double* squares, std::int64_t size,
                 const double* shifts, std::int64_t* below);

}  // namespace svtune::detail
