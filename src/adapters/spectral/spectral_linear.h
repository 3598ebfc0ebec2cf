// The linear layer of the family as one differentiable operator: y = x Wᵀ + s·((x∘mask) Rᵀ Cᵀ) Lᵀ.
// With C between two frozen sides h = (x∘mask) Rᵀ [T, r] is kept for backward and x is not.
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/base_weight.h"

namespace svtune {

struct SpectralSides {
  at::Tensor L;  // [out, r] compute dtype
  at::Tensor R;  // [r, in] compute dtype
  double scale = 1;
};

// `core` [r, r] or [r] for a diagonal. Gradients go to x and core.
at::Tensor spectral_core_linear(const at::Tensor& x, const BaseWeight& base,
                                const SpectralSides& sides, const at::Tensor& core,
                                const at::Tensor& mask);

// C = 1, and the leaf `left` [out, r] stands for sides.L. Gradients go to x and left; x is not kept
// here either.
at::Tensor spectral_left_linear(const at::Tensor& x, const BaseWeight& base,
                                const SpectralSides& sides, const at::Tensor& left,
                                const at::Tensor& mask);

// C = 1, and the leaf `right` [r, in] stands for sides.R. Gradients go to x and right.
at::Tensor spectral_right_linear(const at::Tensor& x, const BaseWeight& base,
                                 const SpectralSides& sides, const at::Tensor& right,
                                 const at::Tensor& mask);

}  // namespace svtune
