#include "nn/kernels/few_rows.h"

namespace svtune::kernels {
namespace {

// Four outputs at a time: one sum alone would wait for itself.
SVTUNE_INLINE void four_outputs(const float* x, const Bf16* w, std::int64_t in, float* y) {
  float a = 0, b = 0, c = 0, d = 0;
#pragma omp simd reduction(+ : a, b, c, d)
  for (std::int64_t k = 0; k < in; ++k) {
    a += x[k] * load(w[k]);
    b += x[k] * load(w[in + k]);
    c += x[k] * load(w[2 * in + k]);
    d += x[k] * load(w[3 * in + k]);
  }
  y[0] = a;
  y[1] = b;
  y[2] = c;
  y[3] = d;
}

SVTUNE_INLINE float one_output(const float* x, const Bf16* w, std::int64_t in) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t k = 0; k < in; ++k) sum += x[k] * load(w[k]);
  return sum;
}

}  // namespace

SVTUNE_CLONES void few_rows(const FewRowsArgs& args, std::int64_t begin, std::int64_t end) {
  const std::int64_t in = args.in;
  std::int64_t n = begin;
  for (; n + 4 <= end; n += 4) {
    for (std::int64_t r = 0; r < args.rows; ++r) {
      four_outputs(args.x + r * in, args.weight + n * in, in, args.y + r * args.out + n);
    }
  }
  for (; n < end; ++n) {
    for (std::int64_t r = 0; r < args.rows; ++r) {
      args.y[r * args.out + n] = one_output(args.x + r * in, args.weight + n * in, in);
    }
  }
}

}  // namespace svtune::kernels
