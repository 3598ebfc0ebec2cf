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

// Tokens that one call of sparse_mix() takes at most: their directions in fp32 stay in the cache.
inline constexpr std::int64_t kMixTokens = 64;

template <class T>
struct SparseMixArgs {
  const std::int32_t* begin;  // as in SparseRows
  const std::int32_t* column;
  const typename SumType<T>::type* values;    // in the order of `column`
  const typename SumType<T>::type* diagonal;  // [n] or null
  const T* in;                                // [n, width]
  T* out;                                     // [width, n]
  std::int64_t n;
  std::int64_t width;
  typename SumType<T>::type* scratch;  // [n, kMixTokens]
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

// The same with rows of the result as columns, which the next product takes faster:
// out[t][i] = diagonal[i] in[i][t] + Σ value(i, j) in[j][t] for tokens t in [begin, end), at most
// kMixTokens of them.
void sparse_mix(const SparseMixArgs<float>& args, std::int64_t begin, std::int64_t end);
void sparse_mix(const SparseMixArgs<double>& args, std::int64_t begin, std::int64_t end);
void sparse_mix(const SparseMixArgs<Bf16>& args, std::int64_t begin, std::int64_t end);

// out[entry] = left[i] · right[j] for each entry (i, j) of rows i in [begin, end).
void sampled_dot(const SampledDotArgs<float>& args, std::int64_t begin, std::int64_t end);
void sampled_dot(const SampledDotArgs<double>& args, std::int64_t begin, std::int64_t end);
void sampled_dot(const SampledDotArgs<Bf16>& args, std::int64_t begin, std::int64_t end);

}  // namespace svtune::kernels
