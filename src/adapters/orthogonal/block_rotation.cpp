#include "adapters/orthogonal/block_rotation.h"

#include "libtorch/autograd.h"
#include "libtorch/prelude.h"
#include "nn/ops/base_holder.h"
#include "nn/ops/stochastic_round.h"

namespace svtune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The framework takes no undefined tensors as inputs, an absent optional is fine.
struct ChangedLinear : torch::autograd::Function<ChangedLinear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& change,
                            const std::optional<at::Tensor>& scale,
                            const std::optional<at::Tensor>& other, const BaseWeight& base,
                            std::uint64_t seed) {
    const at::Tensor product = base.matmul(rounded_sum(x, {}, change, seed));
    const at::Tensor factors = scale.value_or(at::Tensor());
    ctx->save_for_backward({scale ? product : at::Tensor(), factors});
    ctx->saved_data["base"] = c10::IValue::make_capsule(c10::make_intrusive<BaseHolder>(base));
    ctx->saved_data["other"] = other.has_value();
    if (!scale && !other) return product;
    return rounded_sum(product, factors, other.value_or(at::Tensor()), ~seed);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &product = saved[0], &scale = saved[1];
    const auto base =
        c10::static_intrusive_pointer_cast<BaseHolder>(ctx->saved_data["base"].toCapsule());
    at::Tensor grad = grads[0], grad_scale, grad_other;
    if (ctx->saved_data["other"].toBool()) grad_other = grad;
    if (scale.defined()) {
      grad_scale = at::sum(grad * product, {0}, /*keepdim=*/false, scale.scalar_type());
      grad = (grad * scale).to(grad.scalar_type());
    }
    const at::Tensor grad_x = base->base.matmul_transposed(grad);
    return {grad_x, grad_x, grad_scale, grad_other, at::Tensor(), at::Tensor()};
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
                          const BaseWeight& base, std::uint64_t seed, const at::Tensor& other) {
  if (x.scalar_type() != at::kBFloat16) {
    at::Tensor y = base.matmul(x + change);
    if (scale.defined()) y = y * scale;
    return other.defined() ? y + other : y;
  }
  return ChangedLinear::apply(x, change, present(scale), present(other), base, seed);
}

}  // namespace svtune
