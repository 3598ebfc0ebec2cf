#include "nn/base_weight.h"

#include <utility>

#include "base/errors.h"
#include "linalg/torch_pch.h"

namespace svtune {

BaseWeight::BaseWeight(at::Tensor dense) : dense_(std::move(dense)) {
  if (dense_.dim() != 2 || !at::isFloatingType(dense_.scalar_type())) {
    throw ModelError("base weight must be a floating-point matrix [out, in]");
  }
}

at::Tensor BaseWeight::matmul(const at::Tensor& x) const { return at::linear(x, dense_); }

at::Tensor BaseWeight::matmul_transposed(const at::Tensor& grad) const {
  return at::mm(grad, dense_);
}

at::Tensor BaseWeight::dense_high_precision() const {
  return dense_.scalar_type() == at::kDouble ? dense_ : dense_.to(at::kFloat);
}

}  // namespace svtune
