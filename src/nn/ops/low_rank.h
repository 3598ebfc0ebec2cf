// Linear layers with low-rank updates, as one differentiable operator:
//   y = x Wᵀ + s · ((x Dᵀ) Uᵀ + b),   D = down [k, in], U = up [out, k], b [out] or absent.
// The gradient never forms a dense [out, in] matrix and saves x and x Dᵀ only.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "nn/base_weight.h"

namespace svtune {

// The factors as the product uses them, in the compute dtype, and how the trained A [r, in]
// and B [out, r] enter them.
struct LowRankFactors {
  at::Tensor down;  // [k, in]
  at::Tensor up;    // [out, k]
  double scale = 1.0;
  // false: down starts with A and up with B; what follows is frozen.
  // true:  k = 2r, down = [A; A - A0], up = [B - B0, B0], which equals BA - B0A0 without
  //        cancelling large terms, so that small updates survive bf16 (difference form).
  bool paired = false;
};

// The trained tensors (fp32; the factors are copies). `bias` is undefined without b.
struct LowRankLeaves {
  at::Tensor A, B, bias;
};

// All of an update. `dropout_mask` [T, in] multiplies the branch's input; undefined = no dropout.
struct LowRankTerms {
  LowRankFactors factors;
  LowRankLeaves leaves;
  at::Tensor dropout_mask = {};
};

// x [T, in] -> [T, out]. Gradients go to x and the leaves.
at::Tensor low_rank_linear(const at::Tensor& x, const BaseWeight& base,
                           const LowRankFactors& factors, const LowRankLeaves& leaves,
                           const at::Tensor& dropout_mask = {});

struct LowRankLayer {
  BaseWeight base;
  LowRankTerms terms;
};

// The same for several layers that read one input. Without dropout their thin products with the
// input are made together, and so is the input's gradient: one sum, and not one for each layer.
std::vector<at::Tensor> low_rank_linears(const at::Tensor& x,
                                         const std::vector<LowRankLayer>& layers);

// x Wcᵀ where Wc [out, in] is the compute copy of the trained leaf W (fp32 master).
at::Tensor trainable_linear(const at::Tensor& x, const at::Tensor& compute_copy,
                            const at::Tensor& leaf);

}  // namespace svtune
