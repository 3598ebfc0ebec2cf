#include "adapters/lora/preconditioner.h"

#include <algorithm>

#include "libtorch/prelude.h"
#include "linalg/small_inverse.h"

namespace svtune {
namespace {

constexpr double kPreconditionDelta = 1e-6;

// (F Fᵀ + δI)⁻¹ of F [r, n] -> [r, r] in F's dtype.
at::Tensor damped_inverse(const at::Tensor& factor) {
  const at::Tensor wide = factor.to(at::kDouble);
  at::Tensor product = at::mm(wide, wide.t()).to(at::kCPU).contiguous();
  product.diagonal().add_(kPreconditionDelta);
  invert_positive(product.mutable_data_ptr<double>(), product.size(0));
  return product.to(factor.device(), factor.scalar_type());
}

}  // namespace

LoraPreconditioner::LoraPreconditioner(std::span<const LayerSite> sites) {
  for (const LayerSite& site : sites) layers_.push_back({site.name, {}, {}});
}

void LoraPreconditioner::join(const std::string& layer, const at::Tensor& A, const at::Tensor& B) {
  Layer& own = *std::ranges::find(layers_, layer, &Layer::name);
  own.A = A;
  own.B = B;
}

void LoraPreconditioner::before_step() {
  const at::NoGradGuard no_grad;
  for (Layer& layer : layers_) {
    if (!layer.A.defined() || !layer.A.grad().defined() || !layer.B.grad().defined()) continue;
    const at::Tensor of_A = at::mm(damped_inverse(layer.B.t()), layer.A.grad());
    const at::Tensor of_B = at::mm(layer.B.grad(), damped_inverse(layer.A));
    layer.A.mutable_grad().copy_(of_A);
    layer.B.mutable_grad().copy_(of_B);
  }
}

}  // namespace svtune
