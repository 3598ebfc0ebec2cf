#include "nn/kernels/rowwise_kernels.h"

#include <algorithm>
#include <cmath>

namespace svtune::kernels {
namespace {

template <class T>
SVTUNE_INLINE void rms_norm_rows(const RmsNormArgs<T>& a, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const T* x = a.x + row * a.width;
    T* y = a.y + row * a.width;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < a.width; ++i) sum += load(x[i]) * load(x[i]);
    const float rstd = 1.0f / std::sqrt(sum / static_cast<float>(a.width) + a.eps);
    a.rstd[row] = rstd;
    if (a.round_before_scale) {
#pragma omp simd
      for (std::int64_t i = 0; i < a.width; ++i) {
        T rounded;
        store(&rounded, load(x[i]) * rstd);
        store(&y[i], load(rounded) * (a.offset + a.weight[i]));
      }
    } else {
#pragma omp simd
      for (std::int64_t i = 0; i < a.width; ++i) {
        store(&y[i], load(x[i]) * rstd * (a.offset + a.weight[i]));
      }
    }
  }
}

template <class T>
SVTUNE_INLINE void rms_norm_grad_rows(const RmsNormGradArgs<T>& a, std::int64_t begin,
                                      std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const T* x = a.x + row * a.width;
    const T* grad_y = a.grad_y + row * a.width;
    T* grad_x = a.grad_x + row * a.width;
    const float rstd = a.rstd[row];
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (std::int64_t i = 0; i < a.width; ++i) {
      dot += load(grad_y[i]) * (a.offset + a.weight[i]) * load(x[i]);
    }
    const float shift = dot * rstd * rstd * rstd / static_cast<float>(a.width);
#pragma omp simd
    for (std::int64_t i = 0; i < a.width; ++i) {
      const float scaled = load(grad_y[i]) * (a.offset + a.weight[i]);
      store(&grad_x[i], scaled * rstd - load(x[i]) * shift);
    }
    if (a.grad_weight == nullptr) continue;
#pragma omp simd
    for (std::int64_t i = 0; i < a.width; ++i) {
      a.grad_weight[i] += load(grad_y[i]) * load(x[i]) * rstd;
    }
  }
}

// Value and derivative of the gate's activation.
struct ActivationValue {
  float value;
  float slope;
};

SVTUNE_INLINE ActivationValue silu(float x) {
  const float sigmoid = 1.0f / (1.0f + fast_exp(-x));
  return {x * sigmoid, sigmoid * (1.0f + x * (1.0f - sigmoid))};
}

SVTUNE_INLINE ActivationValue gelu_tanh(float x) {
  constexpr float kRoot = 0.7978845608f;  // sqrt(2 / pi)
  constexpr float kCubic = 0.044715f;
  const float inner = kRoot * (x + kCubic * x * x * x);
  const float tanh = 1.0f - 2.0f / (1.0f + fast_exp(2.0f * inner));
  const float inner_slope = kRoot * (1.0f + 3.0f * kCubic * x * x);
  return {0.5f * x * (1.0f + tanh),
          0.5f * (1.0f + tanh) + 0.5f * x * (1.0f - tanh * tanh) * inner_slope};
}

template <class T, ActivationValue (*kActivate)(float)>
SVTUNE_INLINE void glu_elements(const GluArgs<T>& a, std::int64_t begin, std::int64_t end) {
#pragma omp simd
  for (std::int64_t i = begin; i < end; ++i) {
    store(&a.y[i], kActivate(load(a.gate[i])).value * load(a.up[i]));
  }
}

template <class T, ActivationValue (*kActivate)(float)>
SVTUNE_INLINE void glu_grad_elements(const GluGradArgs<T>& a, std::int64_t begin,
                                     std::int64_t end) {
#pragma omp simd
  for (std::int64_t i = begin; i < end; ++i) {
    const ActivationValue activated = kActivate(load(a.gate[i]));
    const float grad = load(a.grad_y[i]);
    store(&a.grad_up[i], grad * activated.value);
    store(&a.grad_gate[i], grad * load(a.up[i]) * activated.slope);
  }
}

template <class T>
SVTUNE_INLINE void glu_any(const GluArgs<T>& a, std::int64_t begin, std::int64_t end) {
  if (a.activation == Activation::kSilu) {
    glu_elements<T, silu>(a, begin, end);
  } else {
    glu_elements<T, gelu_tanh>(a, begin, end);
  }
}

template <class T>
SVTUNE_INLINE void glu_grad_any(const GluGradArgs<T>& a, std::int64_t begin, std::int64_t end) {
  if (a.activation == Activation::kSilu) {
    glu_grad_elements<T, silu>(a, begin, end);
  } else {
    glu_grad_elements<T, gelu_tanh>(a, begin, end);
  }
}

template <class T>
SVTUNE_INLINE void rope_rows(const RopeArgs<T>& a, std::int64_t begin, std::int64_t end) {
  const std::int64_t half = a.rotated / 2;
  for (std::int64_t token = begin; token < end; ++token) {
    const float* cos = a.cos + token * half;
    const float* sin = a.sin + token * half;
    for (std::int64_t head = 0; head < a.heads; ++head) {
      const std::int64_t at = (token * a.heads + head) * a.head_dim;
      const T* x = a.x + at;
      T* y = a.y + at;
#pragma omp simd
      for (std::int64_t i = 0; i < half; ++i) {
        const float first = load(x[i]);
        const float second = load(x[i + half]);
        store(&y[i], first * cos[i] - a.direction * second * sin[i]);
        store(&y[i + half], second * cos[i] + a.direction * first * sin[i]);
      }
      std::copy(x + a.rotated, x + a.head_dim, y + a.rotated);
    }
  }
}

}  // namespace

SVTUNE_CLONES void rms_norm_forward(const RmsNormArgs<float>& args, std::int64_t begin,
                                    std::int64_t end) {
  rms_norm_rows(args, begin, end);
}
SVTUNE_CLONES void rms_norm_forward(const RmsNormArgs<Bf16>& args, std::int64_t begin,
                                    std::int64_t end) {
  rms_norm_rows(args, begin, end);
}
SVTUNE_CLONES void rms_norm_backward(const RmsNormGradArgs<float>& args, std::int64_t begin,
                                     std::int64_t end) {
  rms_norm_grad_rows(args, begin, end);
}
SVTUNE_CLONES void rms_norm_backward(const RmsNormGradArgs<Bf16>& args, std::int64_t begin,
                                     std::int64_t end) {
  rms_norm_grad_rows(args, begin, end);
}
SVTUNE_CLONES void glu_forward(const GluArgs<float>& args, std::int64_t begin, std::int64_t end) {
  glu_any(args, begin, end);
}
SVTUNE_CLONES void glu_forward(const GluArgs<Bf16>& args, std::int64_t begin, std::int64_t end) {
  glu_any(args, begin, end);
}
SVTUNE_CLONES void glu_backward(const GluGradArgs<float>& args, std::int64_t begin,
                                std::int64_t end) {
  glu_grad_any(args, begin, end);
}
SVTUNE_CLONES void glu_backward(const GluGradArgs<Bf16>& args, std::int64_t begin,
                                std::int64_t end) {
  glu_grad_any(args, begin, end);
}
SVTUNE_CLONES void rope(const RopeArgs<float>& args, std::int64_t begin, std::int64_t end) {
  rope_rows(args, begin, end);
}
SVTUNE_CLONES void rope(const RopeArgs<Bf16>& args, std::int64_t begin, std::int64_t end) {
  rope_rows(args, begin, end);
}

}  // namespace svtune::kernels
