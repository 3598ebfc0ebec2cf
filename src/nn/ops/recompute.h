// Runs a function without keeping its intermediate results; backward runs it again.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace svtune {

// y = body(x). Gradients of leaf tensors that `body` uses accumulate into their .grad.
// `body` must give the same values each time it is called, and train something or be
// differentiable in x.
at::Tensor recomputed(const at::Tensor& x, std::function<at::Tensor(const at::Tensor&)> body);

}  // namespace svtune
