// CPU kernel of the softmax cross-entropy over rows of logits, fp32 arithmetic.
#pragma once

#include <cstdint>

#include "nn/kernels/simd.h"

namespace svtune::kernels {

// Rows [begin, end) of logits [rows, vocab]. nll[row] = log sum exp(z) - z[target], with
// z = softcap * tanh(logit / softcap) when softcap > 0. With write_gradient each logit is
// overwritten by d nll / d logit.
template <class T>
struct CrossEntropyArgs {
  T* logits;
  const std::int64_t* targets;
  float* nll;
  std::int64_t vocab;
  float softcap;
  bool write_gradient;
};
void cross_entropy_rows(const CrossEntropyArgs<float>& args, std::int64_t begin, std::int64_t end);
void cross_entropy_rows(const CrossEntropyArgs<Bf16>& args, std::int64_t begin, std::int64_t end);

}  // namespace svtune::kernels
