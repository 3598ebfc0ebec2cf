// Plain ATen versions of the operators in this folder: slow, obvious, differentiable by
// autograd. They are the oracle of the fast versions and the path for fp64 and for devices
// without a kernel.
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/kernels/rowwise_kernels.h"

namespace svtune::reference {

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps, bool plus_one);
inline constexpr double kQuickGeluSteepness = 1.702;
// x sigmoid(x), GELU by tanh or by erf, or x sigmoid(1.702 x); half types are rounded once.
at::Tensor activate(const at::Tensor& x, kernels::Activation activation);
at::Tensor glu(const at::Tensor& gate, const at::Tensor& up, kernels::Activation activation);
// x [N, H, D]; cos, sin [N, R/2]: the first R elements of each head turn.
at::Tensor rope(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);

}  // namespace svtune::reference
