// CPU kernels over rows of activations, for fp32 and bf16 storage with fp32 arithmetic.
// Torch-free: raw pointers, contiguous rows; callers split the rows over threads.
#pragma once

#include <cstdint>

#include "nn/kernels/simd.h"

namespace svtune::kernels {

// Rows [begin, end) of y = x / rms(x) * (offset + w); `offset` is 0 or, for Gemma, 1.
// x, y are [rows, width]; w is fp32 [width]; rstd [rows] receives 1 / rms.
// With round_before_scale the normalised value is rounded to T before the weight is
// applied (Llama), otherwise only the product is rounded (Gemma).
template <class T>
struct RmsNormArgs {
  const T* x;
  const float* weight;
  T* y;
  float* rstd;
  std::int64_t width;
  float eps;
  float offset;
  bool round_before_scale;
};
void rms_norm_forward(const RmsNormArgs<float>& args, std::int64_t begin, std::int64_t end);
void rms_norm_forward(const RmsNormArgs<Bf16>& args, std::int64_t begin, std::int64_t end);

// dx for the rows; grad_weight (fp32 [width], may be null) accumulates this range's share.
template <class T>
struct RmsNormGradArgs {
  const T* x;
  const T* grad_y;
  const float* weight;
  const float* rstd;
  T* grad_x;
  float* grad_weight;
  std::int64_t width;
  float offset;
};
void rms_norm_backward(const RmsNormGradArgs<float>& args, std::int64_t begin, std::int64_t end);
void rms_norm_backward(const RmsNormGradArgs<Bf16>& args, std::int64_t begin, std::int64_t end);

// The kernels know the first two.
enum class Activation { kSilu, kGeluTanh, kGelu, kQuickGelu };

// y = act(gate) * up over elements [begin, end).
template <class T>
struct GluArgs {
  const T* gate;
  const T* up;
  T* y;
  Activation activation;
};
void glu_forward(const GluArgs<float>& args, std::int64_t begin, std::int64_t end);
void glu_forward(const GluArgs<Bf16>& args, std::int64_t begin, std::int64_t end);

template <class T>
struct GluGradArgs {
  const T* gate;
  const T* up;
  const T* grad_y;
  T* grad_gate;
  T* grad_up;
  Activation activation;
};
void glu_backward(const GluGradArgs<float>& args, std::int64_t begin, std::int64_t end);
void glu_backward(const GluGradArgs<Bf16>& args, std::int64_t begin, std::int64_t end);

// Rotates the two halves of the first `rotated` elements of each head and copies the rest:
// x [tokens, heads, head_dim]; cos, sin are fp32 [tokens, rotated / 2]; `direction` is +1
// forward, -1 for the gradient.
template <class T>
struct RopeArgs {
  const T* x;
  const float* cos;
  const float* sin;
  T* y;
  std::int64_t heads;
  std::int64_t head_dim;
  std::int64_t rotated;
  float direction;
};
void rope(const RopeArgs<float>& args, std::int64_t begin, std::int64_t end);
void rope(const RopeArgs<Bf16>& args, std::int64_t begin, std::int64_t end);

}  // namespace svtune::kernels
