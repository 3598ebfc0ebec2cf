#include "nn/ops/low_rank.h"

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

struct LowRankLinear : torch::autograd::Function<LowRankLinear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& A,
                            const at::Tensor& B, const std::optional<at::Tensor>& optional_bias,
                            const std::optional<at::Tensor>& optional_mask, const BaseWeight& base,
                            const LowRankFactors& factors) {
    const at::Tensor mask = optional_mask.value_or(at::Tensor());
    const at::Tensor input = mask.defined() ? x * mask : x;
    const at::Tensor bias = optional_bias ? *optional_bias * factors.scale : at::Tensor();
    const at::Tensor y = base.matmul(x, {.left = at::mm(input, factors.down.t()),
                                         .right = factors.up.t(),
                                         .scale = factors.scale,
                                         .bias = bias});
    ctx->save_for_backward({x, mask, factors.down, factors.up});
    ctx->saved_data["base"] = c10::IValue::make_capsule(c10::make_intrusive<BaseHolder>(base));
    ctx->saved_data["scale"] = factors.scale;
    ctx->saved_data["rank"] = A.size(0);
    ctx->saved_data["paired"] = factors.paired;
    ctx->saved_data["grad_x"] = x.requires_grad();
    ctx->saved_data["factor_dtype"] = A.scalar_type();
    ctx->saved_data["biased"] = bias.defined();
    (void)B;
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &mask = saved[1], &down = saved[2], &up = saved[3];
    const at::Tensor& grad = grads[0];
    const double scale = ctx->saved_data["scale"].toDouble();
    const std::int64_t rank = ctx->saved_data["rank"].toInt();
    const at::ScalarType factor_dtype = ctx->saved_data["factor_dtype"].toScalarType();

    const at::Tensor input = mask.defined() ? x * mask : x;
    const at::Tensor hidden = at::mm(input, down.narrow(0, 0, rank).t());
    const at::Tensor grad_hidden = at::mm(grad, up).mul_(scale);
    const at::Tensor grad_B = at::mm(grad.t(), hidden).to(factor_dtype).mul_(scale);
    at::Tensor grad_down = grad_hidden.narrow(1, 0, rank);
    if (ctx->saved_data["paired"].toBool()) {
      // dL/dA flows through both copies of A in `down`.
      grad_down = grad_down + grad_hidden.narrow(1, rank, rank);
    }
    const at::Tensor grad_A = at::mm(grad_down.t(), input).to(factor_dtype);

    at::Tensor grad_bias;
    if (ctx->saved_data["biased"].toBool()) {
      grad_bias = grad.sum({0}, /*keepdim=*/false, factor_dtype).mul_(scale);
    }
    at::Tensor grad_x;
    if (ctx->saved_data["grad_x"].toBool()) {
      const auto base =
          c10::static_intrusive_pointer_cast<BaseHolder>(ctx->saved_data["base"].toCapsule());
      grad_x =
          base->base.matmul_transposed(grad, {.left = grad_hidden, .right = down, .mask = mask});
    }
    return {grad_x, grad_A, grad_B, grad_bias, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

struct TrainableLinear : torch::autograd::Function<TrainableLinear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& leaf,
                            const at::Tensor& copy) {
    ctx->save_for_backward({x, copy});
    ctx->saved_data["grad_x"] = x.requires_grad();
    ctx->saved_data["leaf_dtype"] = leaf.scalar_type();
    return at::linear(x, copy);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    at::Tensor grad_x;
    if (ctx->saved_data["grad_x"].toBool()) grad_x = at::mm(grads[0], saved[1]);
    const at::Tensor grad_w = at::mm(grads[0].t(), saved[0]);
    return {grad_x, grad_w.to(ctx->saved_data["leaf_dtype"].toScalarType()), at::Tensor()};
  }
};

}  // namespace

at::Tensor low_rank_linear(const at::Tensor& x, const BaseWeight& base,
                           const LowRankFactors& factors, const LowRankLeaves& leaves,
                           const at::Tensor& dropout_mask) {
  return LowRankLinear::apply(x, leaves.A, leaves.B, present(leaves.bias), present(dropout_mask),
                              base, factors);
}

at::Tensor trainable_linear(const at::Tensor& x, const at::Tensor& compute_copy,
                            const at::Tensor& leaf) {
  return TrainableLinear::apply(x, leaf, compute_copy);
}

}  // namespace svtune
