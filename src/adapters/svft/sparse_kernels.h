// Loops over the entries of a sparse n x n matrix applied to [n, width] rows: torch-free, one
// pass over memory, compiled per instruction set. Sums run in fp32 (fp64 for fp64 rows).
#pragma once

#include <cstdint>

#include "nn/kernels/simd.h"

namespace svtune::kernels {

// Entries grouped by row: entries begin[i] .. begin[i+1] of row i, each with its column and
// the index of its value.
struct SparseRows {
  const std::int32_t* begin;
  const std::int32_t* column;
  const std::int32_t* entry;
};

template <class T>
struct SumType {
  using type = float;
};
template <>
struct SumType<double> {
  using type = double;
};

template <class T>
struct SparseApplyArgs {
  SparseRows rows;
  const typename SumType<T>::type* values;
  const typename SumType<T>::type* diagonal;  // [n] added to the entries, or null
  const T* in;                                // [n, width]
  T* out;                                     // [n, width]
  std::int64_t width;
};

template <class T>
struct SampledDotArgs {
  SparseRows rows;
  const T* left;                   // [n, width], indexed by row
  const T* right;                  // [n, width], indexed by column
  typename SumType<T>::type* out;  // one per entry
  std::int64_t width;
};

// out[i] = diagonal[i] in[i] + Σ value(i, j) in[j] for rows i in [begin, end).
void sparse_apply(const SparseApplyArgs<float>& args, std::int64_t begin, std::int64_t end);
void sparse_apply(const SparseApplyArgs<double>& args, std::int64_t begin, std::int64_t end);
void sparse_apply(const SparseApplyArgs<Bf16>& args, std::int64_t begin, std::int64_t end);

// out[entry] = left[i] · right[j] for each entry (i, j) of rows i in [begin, end).
void sampled_dot(const SampledDotArgs<float>& args, std::int64_t begin, std::int64_t end);
void sampled_dot(const SampledDotArgs<double>& args, std::int64_t begin, std::int64_t end);
void sampled_dot(const SampledDotArgs<Bf16>& args, std::int64_t begin, std::int64_t end);

}  // namespace svtune::kernels
