#include "nn/kernels/cross_entropy_kernels.h"

#include <cmath>

namespace svtune::kernels {
namespace {

template <class T>
SVTUNE_INLINE float capped(T logit, float softcap, float inverse_cap) {
  const float z = load(logit);
  if (softcap <= 0) return z;
  return softcap * (1.0f - 2.0f / (1.0f + fast_exp(2.0f * z * inverse_cap)));
}

// Terms added up in fp32 at a time: a vocabulary in one sum would lose its last digits, the more
// the fewer lanes the processor has.
constexpr std::int64_t kTerms = 4096;

template <class T>
SVTUNE_INLINE float sum_of_exps(const T* z, const CrossEntropyArgs<T>& a, float inverse_cap,
                                float largest) {
  double total = 0;
  for (std::int64_t first = 0; first < a.vocab; first += kTerms) {
    const std::int64_t last = first + kTerms < a.vocab ? first + kTerms : a.vocab;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = first; i < last; ++i) {
      sum += fast_exp(capped(z[i], a.softcap, inverse_cap) - largest);
    }
    total += static_cast<double>(sum);
  }
  return static_cast<float>(total);
}

template <class T>
SVTUNE_INLINE void rows(const CrossEntropyArgs<T>& a, std::int64_t begin, std::int64_t end) {
  const float inverse_cap = a.softcap > 0 ? 1.0f / a.softcap : 0.0f;
  for (std::int64_t row = begin; row < end; ++row) {
    T* z = a.logits + row * a.vocab;
    float largest = -INFINITY;
#pragma omp simd reduction(max : largest)
    for (std::int64_t i = 0; i < a.vocab; ++i) {
      const float value = capped(z[i], a.softcap, inverse_cap);
      largest = value > largest ? value : largest;
    }
    const float sum = sum_of_exps(z, a, inverse_cap, largest);
    const std::int64_t target = a.targets[row];
    const float target_value = capped(z[target], a.softcap, inverse_cap);
    a.nll[row] = largest + std::log(sum) - target_value;
    if (!a.write_gradient) continue;
    const float inverse_sum = 1.0f / sum;
#pragma omp simd
    for (std::int64_t i = 0; i < a.vocab; ++i) {
      const float value = capped(z[i], a.softcap, inverse_cap);
      const float slope = a.softcap > 0 ? 1.0f - value * inverse_cap * value * inverse_cap : 1.0f;
      store(&z[i], fast_exp(value - largest) * inverse_sum * slope);
    }
    const float target_slope =
        a.softcap > 0 ? 1.0f - target_value * inverse_cap * target_value * inverse_cap : 1.0f;
    store(&z[target], (fast_exp(target_value - largest) * inverse_sum - 1.0f) * target_slope);
  }
}

}  // namespace

SVTUNE_CLONES void cross_entropy_rows(const CrossEntropyArgs<float>& args, std::int64_t begin,
                                      std::int64_t end) {
  rows(args, begin, end);
}
SVTUNE_CLONES void cross_entropy_rows(const CrossEntropyArgs<Bf16>& args, std::int64_t begin,
                                      std::int64_t end) {
  rows(args, begin, end);
}

}  // namespace svtune::kernels
