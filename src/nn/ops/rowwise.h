// Differentiable row-wise operators of a transformer block. Each runs a fused CPU kernel
// for fp32 and bf16 and saves only what its gradient needs; other dtypes and devices take
// the plain ATen path (ops/reference.h).
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/kernels/rowwise_kernels.h"

namespace svtune {

using kernels::Activation;

struct RmsNormSpec {
  double eps = 1e-6;
  bool plus_one = false;  // Gemma: the stored weight w stands for 1 + w, one rounding at the end
};

// x [..., C], weight [C] -> [..., C]. Saves x and one fp32 per row. The weight may require
// a gradient.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, const RmsNormSpec& spec);

// act(gate) * up, elementwise; saves gate and up.
at::Tensor glu(const at::Tensor& gate, const at::Tensor& up, Activation activation);

// act(x) without a gate; saves one tensor of x's shape.
at::Tensor activate(const at::Tensor& x, Activation activation);

// Rotary embedding of the first R elements of each head of x [N, H, D] by angles given as cos,
// sin [N, R/2] fp32; halves layout.
at::Tensor rope(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);

}  // namespace svtune
