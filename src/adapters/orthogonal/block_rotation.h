// The product with a base whose input is rotated blockwise: y = (x R) Wᵀ, R = blockdiag(1 + D).
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/base_weight.h"

namespace svtune {

// x · blockdiag(D): x [T, in], D [in / b, b, b], or [1, b, b] for all blocks. Differentiable.
at::Tensor block_product(const at::Tensor& x, const at::Tensor& D);

// ((x + change) Wᵀ) ∘ scale + other, change [T, in] in x's dtype, scale [out] in fp32 (fp64) or
// undefined for 1, other [T, out] or undefined for 0. Differentiable in all four. On a 16-bit base
// x Wᵀ and what changes it are summed in fp32 and rounded once: x + change, rounded, would lose
// every change below half a step.
at::Tensor changed_linear(const at::Tensor& x, const at::Tensor& change, const at::Tensor& scale,
                          const BaseWeight& base, const at::Tensor& other = {});

}  // namespace svtune
