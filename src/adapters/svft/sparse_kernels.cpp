#include "adapters/svft/sparse_kernels.h"

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
