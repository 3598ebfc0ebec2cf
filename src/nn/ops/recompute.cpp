#include "nn/ops/recompute.h"

#include <utility>

#include "libtorch/autograd.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Body = std::function<at::Tensor(const at::Tensor&)>;

struct BodyHolder : torch::CustomClassHolder {
  explicit BodyHolder(Body f) : body(std::move(f)) {}
  Body body;
};

struct Recomputed : torch::autograd::Function<Recomputed> {
  // `anchor` requires a gradient, so that backward is reached even when x does not.
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& anchor,
                            const c10::intrusive_ptr<BodyHolder>& holder) {
    (void)anchor;
    ctx->save_for_backward({x});
    ctx->saved_data["body"] = c10::IValue::make_capsule(holder);
    ctx->saved_data["grad_x"] = x.requires_grad();
    const at::NoGradGuard no_grad;
    return holder->body(x);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const bool grad_x = ctx->saved_data["grad_x"].toBool();
    const auto holder =
        c10::static_intrusive_pointer_cast<BodyHolder>(ctx->saved_data["body"].toCapsule());
    const at::Tensor input = ctx->get_saved_variables()[0].detach().requires_grad_(grad_x);
    const at::AutoGradMode enable(true);
    const at::Tensor y = holder->body(input);
    if (!y.requires_grad()) return {at::Tensor(), at::Tensor(), at::Tensor()};
    torch::autograd::backward({y}, {grads[0]});
    return {grad_x ? input.grad() : at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor recomputed(const at::Tensor& x, Body body) {
  const at::Tensor anchor = at::zeros({1}, x.options().dtype(at::kFloat)).requires_grad_(true);
  return Recomputed::apply(x, anchor, c10::make_intrusive<BodyHolder>(std::move(body)));
}

}  // namespace svtune
