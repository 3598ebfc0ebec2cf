// Products with a matrix that is stored in a narrower dtype than the other operand: bf16 weights,
// mapped from their file, under fp32 arithmetic. Pieces of the matrix are widened into one buffer
// and multiplied while the caches hold them; of a few rows, as in generation, the stored values are
// read once and widened on the way.
#pragma once

#include <ATen/core/Tensor.h>

namespace svtune {

// Whether a matrix in `stored` is left so and widened by each product in `compute`: bf16 and fp16
// under fp32 and fp64.
bool is_narrower(at::ScalarType stored, at::ScalarType compute);

// x [T, in] times stored [out, in] -> x Wᵀ [T, out] in x's dtype; builds no graph.
at::Tensor narrow_product(const at::Tensor& x, const at::Tensor& stored);
// grad [T, out] -> grad W [T, in] in grad's dtype; builds no graph.
at::Tensor narrow_product_transposed(const at::Tensor& grad, const at::Tensor& stored);
// sum [T, in] += grad W.
void add_narrow_product_transposed(const at::Tensor& sum, const at::Tensor& grad,
                                   const at::Tensor& stored);

// Frees this thread's buffer.
void release_piece_buffer();

}  // namespace svtune
