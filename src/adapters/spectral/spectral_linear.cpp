#include "adapters/spectral/spectral_linear.h"

#include "libtorch/autograd.h"
#include "libtorch/prelude.h"
#include "nn/ops/base_holder.h"

namespace svtune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

void keep_base(AutogradContext* ctx, const BaseWeight& base, double scale, const at::Tensor& x) {
  ctx->saved_data["base"] = c10::IValue::make_capsule(c10::make_intrusive<BaseHolder>(base));
  ctx->saved_data["scale"] = scale;
  ctx->saved_data["grad_x"] = x.requires_grad();
}

// grad W + left right (∘ mask), or nothing when nobody asks.
at::Tensor grad_input(AutogradContext* ctx, const at::Tensor& grad, const at::Tensor& left,
                      const at::Tensor& right, const at::Tensor& mask) {
  if (!ctx->saved_data["grad_x"].toBool()) return {};
  const auto base =
      c10::static_intrusive_pointer_cast<BaseHolder>(ctx->saved_data["base"].toCapsule());
  return base->base.matmul_transposed(grad, {.left = left, .right = right, .mask = mask});
}

struct CoreLinear : torch::autograd::Function<CoreLinear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& core,
                            const std::optional<at::Tensor>& mask, const BaseWeight& base,
                            const SpectralSides& sides) {
    const at::Tensor hidden = at::mm(mask ? x * *mask : x, sides.R.t());
    const at::Tensor C = core.to(x.scalar_type());
    const at::Tensor mixed = C.dim() == 1 ? hidden * C : at::mm(hidden, C.t());
    ctx->save_for_backward({hidden, C, sides.L, sides.R, mask.value_or(at::Tensor())});
    ctx->saved_data["leaf_dtype"] = core.scalar_type();
    keep_base(ctx, base, sides.scale, x);
    return base.matmul(x, {.left = mixed, .right = sides.L.t(), .scale = sides.scale});
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &hidden = saved[0], &C = saved[1], &L = saved[2], &R = saved[3];
    const at::Tensor& grad = grads[0];
    const at::Tensor back = at::mm(grad, L).mul_(ctx->saved_data["scale"].toDouble());
    const at::ScalarType leaf = ctx->saved_data["leaf_dtype"].toScalarType();
    const bool diagonal = C.dim() == 1;
    const at::Tensor grad_core = diagonal ? at::sum(back * hidden, {0}, /*keepdim=*/false, leaf)
                                          : at::mm(back.t(), hidden).to(leaf);
    const at::Tensor grad_hidden = diagonal ? back * C : at::mm(back, C);
    return {grad_input(ctx, grad, grad_hidden, R, saved[4]), grad_core, at::Tensor(), at::Tensor(),
            at::Tensor()};
  }
};

struct LeftLinear : torch::autograd::Function<LeftLinear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& left,
                            const std::optional<at::Tensor>& mask, const BaseWeight& base,
                            const SpectralSides& sides) {
    const at::Tensor L = left.to(x.scalar_type());
    const at::Tensor hidden = at::mm(mask ? x * *mask : x, sides.R.t());
    ctx->save_for_backward({hidden, L, sides.R, mask.value_or(at::Tensor())});
    ctx->saved_data["leaf_dtype"] = left.scalar_type();
    keep_base(ctx, base, sides.scale, x);
    return base.matmul(x, {.left = hidden, .right = L.t(), .scale = sides.scale});
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &hidden = saved[0], &L = saved[1], &R = saved[2], &mask = saved[3];
    const at::Tensor& grad = grads[0];
    const double scale = ctx->saved_data["scale"].toDouble();
    const at::Tensor grad_left =
        at::mm(grad.t(), hidden).to(ctx->saved_data["leaf_dtype"].toScalarType()).mul_(scale);
    const at::Tensor back = at::mm(grad, L).mul_(scale);
    return {grad_input(ctx, grad, back, R, mask), grad_left, at::Tensor(), at::Tensor(),
            at::Tensor()};
  }
};

struct RightLinear : torch::autograd::Function<RightLinear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& right,
                            const std::optional<at::Tensor>& mask, const BaseWeight& base,
                            const SpectralSides& sides) {
    const at::Tensor R = right.to(x.scalar_type());
    const at::Tensor hidden = at::mm(mask ? x * *mask : x, R.t());
    ctx->save_for_backward({x, R, sides.L, mask.value_or(at::Tensor())});
    ctx->saved_data["leaf_dtype"] = right.scalar_type();
    keep_base(ctx, base, sides.scale, x);
    return base.matmul(x, {.left = hidden, .right = sides.L.t(), .scale = sides.scale});
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &R = saved[1], &L = saved[2], &mask = saved[3];
    const at::Tensor& grad = grads[0];
    const at::Tensor back = at::mm(grad, L).mul_(ctx->saved_data["scale"].toDouble());
    const at::Tensor grad_right = at::mm(back.t(), mask.defined() ? x * mask : x)
                                      .to(ctx->saved_data["leaf_dtype"].toScalarType());
    return {grad_input(ctx, grad, back, R, mask), grad_right, at::Tensor(), at::Tensor(),
            at::Tensor()};
  }
};

}  // namespace

at::Tensor spectral_core_linear(const at::Tensor& x, const BaseWeight& base,
                                const SpectralSides& sides, const at::Tensor& core,
                                const at::Tensor& mask) {
  return CoreLinear::apply(x, core, present(mask), base, sides);
}

at::Tensor spectral_left_linear(const at::Tensor& x, const BaseWeight& base,
                                const SpectralSides& sides, const at::Tensor& left,
                                const at::Tensor& mask) {
  return LeftLinear::apply(x, left, present(mask), base, sides);
}

at::Tensor spectral_right_linear(const at::Tensor& x, const BaseWeight& base,
                                 const SpectralSides& sides, const at::Tensor& right,
                                 const at::Tensor& mask) {
  return RightLinear::apply(x, right, present(mask), base, sides);
}

}  // namespace svtune
