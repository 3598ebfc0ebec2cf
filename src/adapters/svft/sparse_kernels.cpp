#include "adapters/svft/sparse_kernels.h"

#include <algorithm>
#include <cstring>

namespace svtune::kernels {
namespace {

SVTUNE_INLINE double load(double value) { return value; }
SVTUNE_INLINE void store(double* target, double value) { *target = value; }
using kernels::load;
using kernels::store;

constexpr std::int64_t kBlock = 64;  // sums kept in registers while the entries pass by

// Columns t .. t + size of one row of the result. A constant size lets the sums stay in
// registers.
template <class T>
SVTUNE_INLINE void apply_block(const SparseApplyArgs<T>& a, std::int64_t i, std::int64_t t,
                               std::int64_t size) {
  using Sum = typename SumType<T>::type;
  Sum sum[kBlock];
  const Sum own = a.diagonal == nullptr ? Sum{0} : a.diagonal[i];
  const T* self = a.in + i * a.width + t;
#pragma omp simd
  for (std::int64_t s = 0; s < size; ++s) sum[s] = own * load(self[s]);
  for (std::int32_t k = a.rows.begin[i]; k < a.rows.begin[i + 1]; ++k) {
    const Sum value = a.values[a.rows.entry[k]];
    const T* row = a.in + a.rows.column[k] * a.width + t;
#pragma omp simd
    for (std::int64_t s = 0; s < size; ++s) sum[s] += value * load(row[s]);
  }
  T* out = a.out + i * a.width + t;
#pragma omp simd
  for (std::int64_t s = 0; s < size; ++s) store(&out[s], sum[s]);
}

template <class T>
SVTUNE_INLINE void apply_rows(const SparseApplyArgs<T>& a, std::int64_t begin, std::int64_t end) {
  for (std::int64_t t = 0; t < a.width; t += kBlock) {
    const std::int64_t size = a.width - t;
    for (std::int64_t i = begin; i < end; ++i) {
      if (size >= kBlock) {
        apply_block(a, i, t, kBlock);
      } else {
        apply_block(a, i, t, size);
      }
    }
  }
}

// Tokens [begin, end) of all directions in the type of sums, zeros behind the last.
template <class T>
SVTUNE_INLINE void widen(const SparseMixArgs<T>& a, std::int64_t begin, std::int64_t end) {
  using Sum = typename SumType<T>::type;
  const std::int64_t size = end - begin;
  for (std::int64_t j = 0; j < a.n; ++j) {
    const T* in = a.in + j * a.width + begin;
    Sum* row = a.scratch + j * kMixTokens;
#pragma omp simd
    for (std::int64_t s = 0; s < size; ++s) row[s] = load(in[s]);
    for (std::int64_t s = size; s < kMixTokens; ++s) row[s] = 0;
  }
}

template <class T>
SVTUNE_INLINE void mix_direction(const SparseMixArgs<T>& a, std::int64_t i,
                                 typename SumType<T>::type* sum) {
  using Sum = typename SumType<T>::type;
  Sum sums[kMixTokens];
  const Sum own = a.diagonal == nullptr ? Sum{0} : a.diagonal[i];
  const Sum* self = a.scratch + i * kMixTokens;
#pragma omp simd
  for (std::int64_t s = 0; s < kMixTokens; ++s) sums[s] = own * self[s];
  for (std::int32_t k = a.begin[i]; k < a.begin[i + 1]; ++k) {
    const Sum value = a.values[k];
    const Sum* row = a.scratch + a.column[k] * kMixTokens;
#pragma omp simd
    for (std::int64_t s = 0; s < kMixTokens; ++s) sums[s] += value * row[s];
  }
#pragma omp simd
  for (std::int64_t s = 0; s < kMixTokens; ++s) sum[s] = sums[s];
}

template <class T>
SVTUNE_INLINE void mix_tokens(const SparseMixArgs<T>& a, std::int64_t begin, std::int64_t end) {
  constexpr std::int64_t kDirections = 32;  // a cache line or more of every token's row at a time
  typename SumType<T>::type sum[kMixTokens];
  T tile[kMixTokens * kDirections];
  widen(a, begin, end);
  for (std::int64_t first = 0; first < a.n; first += kDirections) {
    const std::int64_t count = std::min(kDirections, a.n - first);
    for (std::int64_t i = 0; i < count; ++i) {
      mix_direction(a, first + i, sum);
      for (std::int64_t s = 0; s < kMixTokens; ++s) store(&tile[s * kDirections + i], sum[s]);
    }
    for (std::int64_t t = begin; t < end; ++t) {
      std::memcpy(a.out + t * a.n + first, tile + (t - begin) * kDirections,
                  static_cast<std::size_t>(count) * sizeof(T));
    }
  }
}

template <class T>
SVTUNE_INLINE void dot_rows(const SampledDotArgs<T>& a, std::int64_t begin, std::int64_t end) {
  using Sum = typename SumType<T>::type;
  for (std::int64_t i = begin; i < end; ++i) {
    const T* left = a.left + i * a.width;
    for (std::int32_t k = a.rows.begin[i]; k < a.rows.begin[i + 1]; ++k) {
      const T* right = a.right + a.rows.column[k] * a.width;
      Sum sum = 0;
#pragma omp simd reduction(+ : sum)
      for (std::int64_t t = 0; t < a.width; ++t) sum += load(left[t]) * load(right[t]);
      a.out[a.rows.entry[k]] = sum;
    }
  }
}

// Two neighbours in one word: half the loads, and no widening across lanes.
SVTUNE_INLINE float lower(std::uint32_t pair) { return std::bit_cast<float>(pair << 16); }
SVTUNE_INLINE float upper(std::uint32_t pair) { return std::bit_cast<float>(pair & 0xffff0000u); }

constexpr std::int64_t kPairs = 128;  // of tokens at a time

// Sums over tokens [t, t + 2 * pairs) of the entries of row i, added to `out`.
SVTUNE_INLINE void dot_pairs(const SampledDotArgs<Bf16>& a, std::int64_t i, std::int64_t t,
                             std::int64_t pairs) {
  float even[kPairs], odd[kPairs];
  std::uint32_t words[kPairs];
  std::memcpy(words, a.left + i * a.width + t, static_cast<std::size_t>(pairs) * sizeof(*words));
#pragma omp simd
  for (std::int64_t s = 0; s < pairs; ++s) {
    even[s] = lower(words[s]);
    odd[s] = upper(words[s]);
  }
  for (std::int32_t k = a.rows.begin[i]; k < a.rows.begin[i + 1]; ++k) {
    const Bf16* right = a.right + a.rows.column[k] * a.width + t;
    float first = 0, second = 0;
#pragma omp simd reduction(+ : first, second)
    for (std::int64_t s = 0; s < pairs; ++s) {
      std::uint32_t word;
      std::memcpy(&word, right + 2 * s, sizeof(word));
      first += even[s] * lower(word);
      second += odd[s] * upper(word);
    }
    a.out[a.rows.entry[k]] += first + second;
  }
}

SVTUNE_INLINE void dot_rows(const SampledDotArgs<Bf16>& a, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const Bf16* left = a.left + i * a.width;
    const bool odd = a.width % 2 != 0;
    for (std::int32_t k = a.rows.begin[i]; k < a.rows.begin[i + 1]; ++k) {
      const Bf16* right = a.right + a.rows.column[k] * a.width;
      a.out[a.rows.entry[k]] = odd ? load(left[a.width - 1]) * load(right[a.width - 1]) : 0.0f;
    }
    for (std::int64_t t = 0; t + 1 < a.width; t += 2 * kPairs) {
      const std::int64_t pairs = std::min(kPairs, (a.width - t) / 2);
      if (pairs == kPairs) {
        dot_pairs(a, i, t, kPairs);
      } else {
        dot_pairs(a, i, t, pairs);
      }
    }
  }
}

// target_clones does not apply to templates, hence one plain function per type.
SVTUNE_CLONES void apply_float(const SparseApplyArgs<float>& a, std::int64_t b, std::int64_t e) {
  apply_rows(a, b, e);
}
SVTUNE_CLONES void apply_double(const SparseApplyArgs<double>& a, std::int64_t b, std::int64_t e) {
  apply_rows(a, b, e);
}
SVTUNE_CLONES void apply_bf16(const SparseApplyArgs<Bf16>& a, std::int64_t b, std::int64_t e) {
  apply_rows(a, b, e);
}
SVTUNE_CLONES void mix_float(const SparseMixArgs<float>& a, std::int64_t b, std::int64_t e) {
  mix_tokens(a, b, e);
}
SVTUNE_CLONES void mix_double(const SparseMixArgs<double>& a, std::int64_t b, std::int64_t e) {
  mix_tokens(a, b, e);
}
SVTUNE_CLONES void mix_bf16(const SparseMixArgs<Bf16>& a, std::int64_t b, std::int64_t e) {
  mix_tokens(a, b, e);
}
SVTUNE_CLONES void dot_float(const SampledDotArgs<float>& a, std::int64_t b, std::int64_t e) {
  dot_rows(a, b, e);
}
SVTUNE_CLONES void dot_double(const SampledDotArgs<double>& a, std::int64_t b, std::int64_t e) {
  dot_rows(a, b, e);
}
SVTUNE_CLONES void dot_bf16(const SampledDotArgs<Bf16>& a, std::int64_t b, std::int64_t e) {
  dot_rows(a, b, e);
}

}  // namespace

void sparse_apply(const SparseApplyArgs<float>& args, std::int64_t begin, std::int64_t end) {
  apply_float(args, begin, end);
}
void sparse_apply(const SparseApplyArgs<double>& args, std::int64_t begin, std::int64_t end) {
  apply_double(args, begin, end);
}
void sparse_apply(const SparseApplyArgs<Bf16>& args, std::int64_t begin, std::int64_t end) {
  apply_bf16(args, begin, end);
}
void sparse_mix(const SparseMixArgs<float>& args, std::int64_t begin, std::int64_t end) {
  mix_float(args, begin, end);
}
void sparse_mix(const SparseMixArgs<double>& args, std::int64_t begin, std::int64_t end) {
  mix_double(args, begin, end);
}
void sparse_mix(const SparseMixArgs<Bf16>& args, std::int64_t begin, std::int64_t end) {
  mix_bf16(args, begin, end);
}
void sampled_dot(const SampledDotArgs<float>& args, std::int64_t begin, std::int64_t end) {
  dot_float(args, begin, end);
}
void sampled_dot(const SampledDotArgs<double>& args, std::int64_t begin, std::int64_t end) {
  dot_double(args, begin, end);
}
void sampled_dot(const SampledDotArgs<Bf16>& args, std::int64_t begin, std::int64_t end) {
  dot_bf16(args, begin, end);
}

}  // namespace svtune::kernels
