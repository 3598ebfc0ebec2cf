#include "adapters/svft/svft_forms.h"

#include "libtorch/autograd.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Carries what is not a leaf from forward to backward.
struct CallHolder : torch::CustomClassHolder {
  CallHolder(BaseWeight weight, SvftForm chosen, SvftFactors products)
      : base(std::move(weight)), form(chosen), factors(std::move(products)) {}
  BaseWeight base;
  SvftForm form;
  SvftFactors factors;
};

// dL/d(M on its positions, gate applied) and dL/dx, from dL/dy.
struct SvftGradients {
  at::Tensor values, x;
};

// `kept` is Z = (x V)ᵀ [n, T].
SvftGradients factored_gradients(const CallHolder& call, const at::Tensor& grad,
                                 const at::Tensor& kept, bool wants_x) {
  const SvftFactors& f = call.factors;
  const at::Tensor D = at::linear(f.Uh.dense(), grad);  // (grad U)ᵀ [n, T]
  SvftGradients result{f.pattern->sampled_product(D, kept), {}};
  if (!wants_x) return result;
  const bool factored = call.form == SvftForm::kFactored;
  const at::Tensor Vh = f.Vh.dense();
  const at::Tensor grad_Z =  // [T, n]
      f.pattern->mix_transposed(f.values, D, factored ? f.sigma : at::Tensor());
  if (factored) {
    result.x = at::mm(grad_Z, Vh);
  } else {
    result.x = call.base.matmul_transposed(grad, {.left = grad_Z, .right = Vh});
  }
  return result;
}

// `kept` is x [T, in]. Uᵀ (gradᵀ x) V on the positions: one product over the tokens instead
// of two.
SvftGradients dense_gradients(const CallHolder& call, const at::Tensor& grad,
                              const at::Tensor& kept, bool wants_x) {
  const SvftFactors& f = call.factors;
  const at::Tensor projected = at::mm(f.Uh.dense(), at::mm(grad.t(), kept));  // [n, in]
  return {f.pattern->sampled_product(projected, f.Vh.dense()),
          wants_x ? at::mm(grad, f.dense) : at::Tensor()};
}

struct SvftLinear : torch::autograd::Function<SvftLinear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& M,
                            const std::optional<at::Tensor>& gate, const BaseWeight& base,
                            SvftForm form, const SvftFactors& factors) {
    at::Tensor y, kept;
    if (form == SvftForm::kDense) {
      y = at::linear(x, factors.dense);
      kept = x;
    } else {
      kept = at::linear(factors.Vh.dense(), x);
      const bool factored = form == SvftForm::kFactored;
      const at::Tensor mixed =  // [T, n]
          factors.pattern->mix(factors.values, kept, factored ? factors.sigma : at::Tensor());
      const at::Tensor Uh = factors.Uh.dense();
      y = factored ? at::mm(mixed, Uh) : base.matmul(x, {.left = mixed, .right = Uh});
    }
    ctx->save_for_backward({kept, M, gate.value_or(at::Tensor())});
    ctx->saved_data["call"] =
        c10::IValue::make_capsule(c10::make_intrusive<CallHolder>(base, form, factors));
    ctx->saved_data["grad_x"] = x.requires_grad();
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &kept = saved[0], &M = saved[1], &gate = saved[2];
    const auto call =
        c10::static_intrusive_pointer_cast<CallHolder>(ctx->saved_data["call"].toCapsule());
    const bool wants_x = ctx->saved_data["grad_x"].toBool();
    const at::Tensor grad = grads[0].contiguous();
    const SvftGradients found = call->form == SvftForm::kDense
                                    ? dense_gradients(*call, grad, kept, wants_x)
                                    : factored_gradients(*call, grad, kept, wants_x);
    at::Tensor grad_M = found.values.to(M.scalar_type()), grad_gate;
    if (gate.defined()) {
      const at::Tensor open = gate.detach().sigmoid();
      grad_gate = (grad_M * M.detach()).sum().reshape({1}) * open * (1 - open);
      grad_M = grad_M * open;
    }
    return {found.x, grad_M, grad_gate, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor svft_linear(const at::Tensor& x, const BaseWeight& base, SvftForm form,
                       const SvftFactors& factors, const at::Tensor& M, const at::Tensor& gate) {
  // Autograd takes an absent tensor as an empty optional only.
  const std::optional<at::Tensor> trained_gate =
      gate.defined() ? std::make_optional(gate) : std::nullopt;
  return SvftLinear::apply(x, M, trained_gate, base, form, factors);
}

at::Tensor svft_delta(const SvftFactors& factors) {
  // (Mᵀ Uᵀ)ᵀ Vᵀ: the sparse factor first.
  const at::Tensor left = factors.pattern->apply_transposed(factors.values, factors.Uh.dense());
  return at::mm(left.t(), factors.Vh.dense());
}

SvftForm cheapest_form(const SvftShape& shape, at::ScalarType dtype, bool training, bool whole,
                       bool dense_ready) {
  if (dtype != at::kFloat && dtype != at::kDouble) {
    return whole ? SvftForm::kFactored : SvftForm::kDelta;
  }
  const double tokens = static_cast<double>(shape.tokens);
  const double weight = static_cast<double>(shape.in) * static_cast<double>(shape.out);
  const double n = static_cast<double>(shape.n);
  const double factors = n * static_cast<double>(shape.in + shape.out);
  // Multiply-adds; inference is a forward pass and builds the dense form once if at all.
  const double build = n * weight * (dense_ready ? 0 : 1);
  const double dense = training ? tokens * 3 * weight + 2 * n * weight : tokens * weight + build;
  const double passes = training ? 2 : 1;
  const double thin = passes * tokens * (whole ? factors : factors + weight);
  if (dense < thin) return SvftForm::kDense;
  return whole ? SvftForm::kFactored : SvftForm::kDelta;
}

}  // namespace svtune
