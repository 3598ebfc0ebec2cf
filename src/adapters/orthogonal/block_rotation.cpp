#include "adapters/orthogonal/block_rotation.h"

#include "libtorch/autograd.h"
#include "libtorch/prelude.h"
#include "nn/ops/base_holder.h"

namespace svtune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The framework takes no undefined tensors as inputs, an absent optional is fine.
std::optional<at::Tensor> present(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

struct ChangedLinear : torch::autograd::Function<ChangedLinear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& change,
                            const std::optional<at::Tensor>& scale,
                            const std::optional<at::Tensor>& other, const BaseWeight& base) {
    const at::Tensor Wt = base.dense().t();
    at::Tensor branch = at::mm(change, Wt), rotated;
    if (other) branch.add_(*other);
    if (scale) {
      rotated = at::mm(x + change, Wt);
      branch = (branch + rotated * (*scale - 1)).to(x.scalar_type());
    }
    ctx->save_for_backward({rotated, scale.value_or(at::Tensor())});
    ctx->saved_data["base"] = c10::IValue::make_capsule(c10::make_intrusive<BaseHolder>(base));
    ctx->saved_data["other"] = other.has_value();
    // The product accumulates in fp32 what it starts from.
    return branch.addmm_(x, Wt);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &rotated = saved[0], &scale = saved[1];
    const auto base =
        c10::static_intrusive_pointer_cast<BaseHolder>(ctx->saved_data["base"].toCapsule());
    at::Tensor grad = grads[0], grad_scale, grad_other;
    if (ctx->saved_data["other"].toBool()) grad_other = grad;
    if (scale.defined()) {
      grad_scale = at::sum(grad * rotated, {0}, /*keepdim=*/false, scale.scalar_type());
      grad = (grad * scale).to(grad.scalar_type());
    }
    const at::Tensor grad_x = base->base.matmul_transposed(grad);
    return {grad_x, grad_x, grad_scale, grad_other, at::Tensor()};
  }
};

}  // namespace

at::Tensor block_product(const at::Tensor& x, const at::Tensor& D) {
  const std::int64_t rows = x.size(0), in = x.size(1), b = D.size(1);
  if (D.size(0) == 1) return at::mm(x.reshape({rows * (in / b), b}), D[0]).view({rows, in});
  const at::Tensor blocks = x.reshape({rows, in / b, b}).transpose(0, 1);
  return at::bmm(blocks, D).transpose(0, 1).reshape({rows, in});
}

at::Tensor changed_linear(const at::Tensor& x, const at::Tensor& change, const at::Tensor& scale,
                          const BaseWeight& base, const at::Tensor& other) {
  if (x.scalar_type() != at::kBFloat16 && x.scalar_type() != at::kHalf) {
    at::Tensor y = base.matmul(x + change);
    if (scale.defined()) y = y * scale;
    return other.defined() ? y + other : y;
  }
  return ChangedLinear::apply(x, change, present(scale), present(other), base);
}

}  // namespace svtune
