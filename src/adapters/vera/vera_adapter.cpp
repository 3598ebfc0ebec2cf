#include "adapters/vera/vera_adapter.h"

#include <utility>

#include "adapters/dropout_mask.h"
#include "libtorch/autograd.h"
#include "libtorch/prelude.h"
#include "nn/ops/base_holder.h"

namespace svtune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Of h = x Aᵀ [T, r] alone everything in backward follows: x is not kept.
struct VeraLinear : torch::autograd::Function<VeraLinear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& lambda_d,
                            const at::Tensor& lambda_b, const std::optional<at::Tensor>& mask,
                            const at::Tensor& A, const at::Tensor& B, const BaseWeight& base) {
    const at::Tensor d = lambda_d.to(x.scalar_type()), b = lambda_b.to(x.scalar_type());
    const at::Tensor hidden = at::mm(mask ? x * *mask : x, A.t());
    const at::Tensor y = base.matmul(x, {.left = hidden * d, .right = (B * b.unsqueeze(1)).t()});
    ctx->save_for_backward({hidden, d, b, mask.value_or(at::Tensor()), A, B});
    ctx->saved_data["base"] = c10::IValue::make_capsule(c10::make_intrusive<BaseHolder>(base));
    ctx->saved_data["grad_x"] = x.requires_grad();
    ctx->saved_data["leaf_dtype"] = lambda_d.scalar_type();
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &hidden = saved[0], &d = saved[1], &b = saved[2], &mask = saved[3];
    const at::Tensor &A = saved[4], &B = saved[5], &grad = grads[0];
    const at::ScalarType leaf = ctx->saved_data["leaf_dtype"].toScalarType();
    const at::Tensor grad_b = at::sum(grad * at::mm(hidden * d, B.t()), 0, false, leaf);
    const at::Tensor grad_scaled = at::mm(grad * b, B);  // dL/d(λ_d ∘ h)
    const at::Tensor grad_d = at::sum(grad_scaled * hidden, 0, false, leaf);
    at::Tensor grad_x;
    if (ctx->saved_data["grad_x"].toBool()) {
      const auto base =
          c10::static_intrusive_pointer_cast<BaseHolder>(ctx->saved_data["base"].toCapsule());
      grad_x = base->base.matmul_transposed(grad);
      const at::Tensor branch = at::mm(grad_scaled * d, A);
      grad_x.add_(mask.defined() ? branch * mask : branch);
    }
    return {grad_x, grad_d, grad_b, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

VeraAdapter::VeraAdapter(std::shared_ptr<const VeraProjection> projection, const BaseWeight& base,
                         double d_initial, double dropout)
    : projection_(std::move(projection)),
      in_(base.in_features()),
      out_(base.out_features()),
      dropout_(dropout) {
  const auto options = at::TensorOptions()
                           .dtype(base.dtype() == at::kDouble ? at::kDouble : at::kFloat)
                           .device(base.device());
  lambda_d_ = at::full({projection_->rank()}, d_initial, options).requires_grad_(true);
  lambda_b_ = at::zeros({out_}, options).requires_grad_(true);
}

at::Tensor VeraAdapter::forward(const at::Tensor& x, const BaseWeight& base) {
  const at::Tensor mask = training_ ? dropout_mask_for(x, dropout_, mask_seed_) : at::Tensor();
  // The framework takes no undefined tensors as inputs, an absent optional is fine.
  const std::optional<at::Tensor> given = mask.defined() ? std::optional(mask) : std::nullopt;
  return VeraLinear::apply(x, lambda_d_, lambda_b_, given, projection_->A_for(in_),
                           projection_->B_for(out_), base);
}

std::optional<LowRankDelta> VeraAdapter::low_rank_delta() const {
  const at::NoGradGuard no_grad;
  const std::vector<NamedTensor> stored = projection_->shared();
  const at::Tensor A = stored[0].tensor.narrow(1, 0, in_), B = stored[1].tensor.narrow(0, 0, out_);
  return LowRankDelta{A * lambda_d_.detach().unsqueeze(1), B * lambda_b_.detach().unsqueeze(1),
                      1.0};
}

at::Tensor VeraAdapter::merged_weight(const BaseWeight& base) const {
  const at::NoGradGuard no_grad;
  const LowRankDelta delta = *low_rank_delta();
  const at::Tensor weight = base.dense_high_precision();
  return at::addmm(weight, delta.up.to(weight.scalar_type()), delta.down.to(weight.scalar_type()));
}

std::vector<Trainable> VeraAdapter::trainables() {
  return {{"vera_lambda_b", lambda_b_, {1.0, false}}, {"vera_lambda_d", lambda_d_, {1.0, false}}};
}

AdapterMemory VeraAdapter::memory(std::int64_t) const {
  AdapterMemory memory;
  memory.keeps_input = false;
  memory.kept_per_token = projection_->rank() + (dropout_ > 0 ? in_ : 0);
  return memory;
}

void VeraAdapter::begin_micro_batch(bool training, std::uint64_t seed) {
  training_ = training;
  mask_seed_ = seed;
}

}  // namespace svtune
