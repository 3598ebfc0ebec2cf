// Sizes of what a quantisation leaves behind, as the papers measure them.
#pragma once

#include <ATen/core/Tensor.h>

namespace svtune {

// Root of the summed squares, summed in fp64. Any floating-point matrix.
double frobenius_norm(const at::Tensor& matrix);

// Sum of the singular values of an fp32 or fp64 matrix, from the eigenvalues of its Gram matrix
// in fp64: those below 1e-8 of the largest are lost, which is far below what the sum shows.
double nuclear_norm(const at::Tensor& matrix);

// Those singular values, fp64 [min(out, in)], descending.
at::Tensor singular_values(const at::Tensor& matrix);

}  // namespace svtune
