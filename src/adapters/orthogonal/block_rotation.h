// The product with a base whose input is rotated blockwise: y = (x R) Wᵀ, R = blockdiag(1 + D).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "nn/base_weight.h"

namespace svtune {

// x · blockdiag(D): x [T, in], D [in / b, b, b], or [1, b, b] for all blocks. Differentiable.
at::Tensor block_product(const at::Tensor& x, const at::Tensor& D);

// ((x + change) Wᵀ) ∘ scale + other, change [T, in] in x's dtype, scale [out] in fp32 (fp64) or
// undefined for 1, other [T, out] or undefined for 0. Differentiable in all four. In bf16 each sum
// is made in fp32 and rounded up or down at random, a function of `seed` and the place: rounded to
// nearest, x + change would be x again wherever the change is below half a step of it.
at::Tensor changed_linear(const at::Tensor& x, const at::Tensor& change, const at::Tensor& scale,
                          const BaseWeight& base, std::uint64_t seed, const at::Tensor& other = {});

}  // namespace svtune
