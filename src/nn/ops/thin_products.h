// Products of activations with the thin factors of a low-rank update; they build no graph. fp32 on
// the CPU has kernels of its own (nn/kernels/thin_product_kernels.h), where the shapes fit them;
// all else is ATen's.
#pragma once

#include <ATen/core/Tensor.h>

namespace svtune {

// target [T, k] = scale · x P, x [T, n], P [n, k]. The target may be columns of a wider tensor.
void to_thin(const at::Tensor& target, const at::Tensor& x, const at::Tensor& factor,
             double scale = 1.0);

// sum [T, n] += scale · h Q, h [T, k], Q [k, n].
void add_from_thin(const at::Tensor& sum, const at::Tensor& h, const at::Tensor& factor,
                   double scale = 1.0);

// hᵀ x [k, n], h [T, k], x [T, n].
at::Tensor thin_gram(const at::Tensor& h, const at::Tensor& x);

}  // namespace svtune
