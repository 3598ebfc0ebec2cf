#include "quant/error_norms.h"

#include <cmath>

#include "libtorch/prelude.h"
#include "linalg/lapack.h"

namespace svtune {

double frobenius_norm(const at::Tensor& matrix) {
  return std::sqrt(matrix.to(at::kDouble).square().sum().item<double>());
}

double nuclear_norm(const at::Tensor& matrix) {
  return singular_values(matrix).sum().item<double>();
}

at::Tensor singular_values(const at::Tensor& matrix) {
  const at::Tensor wide = matrix.to(at::kDouble);
  const bool tall = wide.size(0) >= wide.size(1);
  const at::Tensor gram = tall ? at::mm(wide.t(), wide) : at::mm(wide, wide.t());
  return lapack::eigvalsh(gram).clamp_min(0).sqrt().flip(0).contiguous();
}

}  // namespace svtune
