#include "nn/kernels/decode_attention.h"

#include <cmath>

namespace svtune::kernels {
namespace {

constexpr std::int64_t kMaxHeadDim = 512;

template <class T>
SVTUNE_INLINE void one_head(const DecodeArgs<T>& a, const T* query, T* out) {
  float largest = -INFINITY;
  for (std::int64_t j = a.first; j < a.length; ++j) {
    const T* key = a.keys + j * a.stride;
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (std::int64_t d = 0; d < a.head_dim; ++d) dot += load(query[d]) * load(key[d]);
    float score = dot * a.scale;
    if (a.softcap > 0) score = a.softcap * std::tanh(score / a.softcap);
    a.scores[j] = score;
    largest = score > largest ? score : largest;
  }
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t j = a.first; j < a.length; ++j) {
    const float weight = fast_exp(a.scores[j] - largest);
    a.scores[j] = weight;
    sum += weight;
  }
  float acc[kMaxHeadDim] = {};
  for (std::int64_t j = a.first; j < a.length; ++j) {
    const T* value = a.values + j * a.stride;
    const float weight = a.scores[j];
#pragma omp simd
    for (std::int64_t d = 0; d < a.head_dim; ++d) acc[d] += weight * load(value[d]);
  }
  const float inverse = 1.0f / sum;
  for (std::int64_t d = 0; d < a.head_dim; ++d) store(&out[d], acc[d] * inverse);
}

template <class T>
SVTUNE_INLINE void all_heads(const DecodeArgs<T>& a) {
  for (std::int64_t head = 0; head < a.heads; ++head) {
    one_head(a, a.query + head * a.head_dim, a.out + head * a.head_dim);
  }
}

}  // namespace

SVTUNE_CLONES void decode_attention(const DecodeArgs<float>& args) { all_heads(args); }
SVTUNE_CLONES void decode_attention(const DecodeArgs<Bf16>& args) { all_heads(args); }

}  // namespace svtune::kernels
