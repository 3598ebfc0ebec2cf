#include "attach/observing_adapter.h"

#include "libtorch/autograd.h"
#include "libtorch/prelude.h"
#include "nn/ops/base_holder.h"

namespace svtune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::ScalarType wide_dtype(const at::Tensor& tensor) {
  return tensor.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

void add_product(at::Tensor& matrix, const at::Tensor& left, const at::Tensor& right) {
  if (!matrix.defined()) {
    matrix = at::mm(left.t(), right);
  } else {
    matrix.addmm_(left.t(), right);
  }
}

struct ObservationHolder : torch::CustomClassHolder {
  explicit ObservationHolder(std::shared_ptr<LayerObservation> held)
      : observation(std::move(held)) {}
  std::shared_ptr<LayerObservation> observation;
};

// x Wᵀ; `leaf` makes backward come here also where x has no gradient.
struct ObservedLinear : torch::autograd::Function<ObservedLinear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor&,
                            const BaseWeight& base,
                            const std::shared_ptr<LayerObservation>& observation) {
    ctx->save_for_backward({x});
    ctx->saved_data["base"] = c10::IValue::make_capsule(c10::make_intrusive<BaseHolder>(base));
    ctx->saved_data["observation"] =
        c10::IValue::make_capsule(c10::make_intrusive<ObservationHolder>(observation));
    ctx->saved_data["grad_x"] = x.requires_grad();
    return base.matmul(x);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const at::Tensor x = ctx->get_saved_variables()[0];
    const auto holder = c10::static_intrusive_pointer_cast<ObservationHolder>(
        ctx->saved_data["observation"].toCapsule());
    holder->observation->add_gradient(grads[0], x);
    at::Tensor grad_x;
    if (ctx->saved_data["grad_x"].toBool()) {
      const auto base =
          c10::static_intrusive_pointer_cast<BaseHolder>(ctx->saved_data["base"].toCapsule());
      grad_x = base->base.matmul_transposed(grads[0]);
    }
    return {grad_x, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

void LayerObservation::add_inputs(const ObservedPass& pass, const at::Tensor& x) {
  at::Tensor values = x.detach().to(wide_dtype(x));
  // Layers that see a choice of the tokens, such as experts and the head, count all they see.
  const bool chosen = pass.plan.supervised && pass.supervised.defined();
  if (chosen && values.size(0) == pass.tokens) {
    values = values.index_select(0, pass.supervised);
  }
  if (values.size(0) == 0) return;
  if (pass.plan.unit_largest) {
    const double largest = std::abs(values.max().item<double>());
    if (largest > 0) values = values / largest;
  }
  if (pass.plan.centred) {
    if (!centre.defined()) centre = values.mean(0);
    values = values - centre;
    const at::Tensor added = values.sum(0, /*keepdim=*/false, at::kDouble);
    sum = sum.defined() ? sum + added : added;
  }
  add_product(matrix, values, values);
  rows += values.size(0);
  ++batches;
}

void LayerObservation::add_gradient(const at::Tensor& grad, const at::Tensor& x) {
  const at::ScalarType wide = wide_dtype(x);
  add_product(matrix, grad.to(wide), x.to(wide));
  rows += x.size(0);
  ++batches;
}

LayerSums LayerObservation::sums(const CalibrationPlan& plan) const {
  LayerSums out{matrix, rows, batches};
  if (!plan.centred || rows == 0) return out;
  const at::Tensor mean = at::outer(sum, sum).div_(static_cast<double>(rows));  // in fp64
  out.matrix = mean.to(matrix.scalar_type()).neg_().add_(matrix);
  return out;
}

void ObservingAdapter::observe(const at::Tensor& x) {
  if (!observation_) {
    shares_ = pass_.last && pass_.last_input.is_same(x);
    observation_ = shares_ ? pass_.last : std::make_shared<LayerObservation>();
  }
  if (shares_) return;
  observation_->add_inputs(pass_, x);
  pass_.last_input = x;
  pass_.last = observation_;
}

at::Tensor ObservingAdapter::forward(const at::Tensor& x, const BaseWeight& base) {
  if (pass_.plan.sum == CalibrationSum::kInputs) {
    const at::NoGradGuard no_grad;
    observe(x);
    return base.matmul(x);
  }
  if (!observation_) observation_ = std::make_shared<LayerObservation>();
  const at::Tensor leaf = at::zeros({}, x.options()).requires_grad_(true);
  return ObservedLinear::apply(x, leaf, base, observation_);
}

at::Tensor ObservingAdapter::merged_weight(const BaseWeight& base) const {
  return base.dense_high_precision();
}

}  // namespace svtune
