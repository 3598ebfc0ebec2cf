#include "adapters/delta_lora/delta_lora_adapter.h"

#include <algorithm>

#include "libtorch/autograd.h"
#include "libtorch/prelude.h"
#include "nn/ops/base_holder.h"

namespace svtune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// y = x Wᵀ + s·(x downᵀ) upᵀ for the whole change. A stands first in `down`; A and B get gradients
// as if s·BA were all of it, x that of the whole.
struct DeltaLinear : torch::autograd::Function<DeltaLinear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& A,
                            const at::Tensor& B, const at::Tensor& down, const at::Tensor& up,
                            double scale, const BaseWeight& base) {
    ctx->save_for_backward({x, B.to(x.scalar_type()), down, up});
    ctx->saved_data["base"] = c10::IValue::make_capsule(c10::make_intrusive<BaseHolder>(base));
    ctx->saved_data["scale"] = scale;
    ctx->saved_data["grad_x"] = x.requires_grad();
    ctx->saved_data["leaf_dtype"] = A.scalar_type();
    return base.matmul(x, {.left = at::mm(x, down.t()), .right = up.t(), .scale = scale});
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &B = saved[1], &down = saved[2], &up = saved[3];
    const at::Tensor& grad = grads[0];
    const double scale = ctx->saved_data["scale"].toDouble();
    const at::ScalarType leaf = ctx->saved_data["leaf_dtype"].toScalarType();
    const at::Tensor hidden = at::mm(x, down.narrow(0, 0, B.size(1)).t());
    const at::Tensor grad_B = at::mm(grad.t(), hidden).to(leaf).mul_(scale);
    const at::Tensor grad_A = at::mm(at::mm(grad, B).t(), x).to(leaf).mul_(scale);
    at::Tensor grad_x;
    if (ctx->saved_data["grad_x"].toBool()) {
      const auto base =
          c10::static_intrusive_pointer_cast<BaseHolder>(ctx->saved_data["base"].toCapsule());
      grad_x = base->base.matmul_transposed(
          grad, {.left = at::mm(grad, up), .right = down, .scale = scale});
    }
    return {grad_x, grad_A, grad_B, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

DeltaLoraState::DeltaLoraState(const LowRankConfig& low_rank, std::int64_t start,
                               std::span<const LayerSite> sites)
    : start_(start) {
  for (const LayerSite& site : sites) {
    const std::int64_t rank = stored_low_rank_shape(low_rank, site).rank;
    const at::TensorOptions options = factor_options(site.base);
    layers_.push_back({site.name,
                       {},
                       {at::zeros({rank, site.base.in_features()}, options),
                        at::zeros({site.base.out_features(), rank}, options)}});
  }
}

DeltaLoraFactors DeltaLoraState::join(const std::string& layer, const DeltaLoraFactors& leaves) {
  Layer& own = *std::ranges::find(layers_, layer, &Layer::name);
  own.leaves = leaves;
  return own.kept;
}

std::vector<NamedTensor> DeltaLoraState::changing() const {
  std::vector<NamedTensor> list;
  for (const Layer& layer : layers_) {
    list.push_back({layer.name + ".kept_A", layer.kept.A});
    list.push_back({layer.name + ".kept_B", layer.kept.B});
  }
  return list;
}

void DeltaLoraState::after_step(std::int64_t step, std::int64_t) {
  if (step > start_) return;
  const at::NoGradGuard no_grad;
  for (Layer& layer : layers_) {
    layer.kept.A.copy_(layer.leaves.A);
    layer.kept.B.copy_(layer.leaves.B);
  }
}

DeltaLoraAdapter::DeltaLoraAdapter(const DeltaLoraFactors& leaves, double scaling, double ratio,
                                   at::ScalarType compute,
                                   const std::shared_ptr<DeltaLoraState>& state,
                                   const std::string& layer, bool initialise)
    : leaves_{leaves.A.requires_grad_(true), leaves.B.requires_grad_(true)},
      kept_(state->join(layer, leaves_)),
      scaling_(scaling),
      ratio_(ratio),
      compute_(compute) {
  const at::NoGradGuard no_grad;
  if (initialise) {
    kept_.A.copy_(leaves_.A);
    kept_.B.copy_(leaves_.B);
  }
  const LowRankDelta delta = *low_rank_delta();
  down_ = delta.down.to(compute_);
  up_ = delta.up.to(compute_);
}

void DeltaLoraAdapter::refresh(const BaseWeight&) {
  const LowRankDelta delta = *low_rank_delta();
  down_ = delta.down.to(compute_);
  up_ = delta.up.to(compute_);
}

// BA + λ(BA − B₁A₁) = (B + λ ΔB) A + λ B₁ ΔA, without the difference of large terms.
std::optional<LowRankDelta> DeltaLoraAdapter::low_rank_delta() const {
  const at::NoGradGuard no_grad;
  const at::Tensor A = leaves_.A.detach(), B = leaves_.B.detach();
  return LowRankDelta{at::cat({A, A - kept_.A}, 0),
                      at::cat({B + (B - kept_.B) * ratio_, kept_.B * ratio_}, 1), scaling_};
}

at::Tensor DeltaLoraAdapter::forward(const at::Tensor& x, const BaseWeight& base) {
  return DeltaLinear::apply(x, leaves_.A, leaves_.B, down_, up_, scaling_, base);
}

at::Tensor DeltaLoraAdapter::merged_weight(const BaseWeight& base) const {
  const at::NoGradGuard no_grad;
  const LowRankDelta delta = *low_rank_delta();
  const at::Tensor weight = base.dense_high_precision();
  return at::addmm(weight, delta.up.to(weight.scalar_type()), delta.down.to(weight.scalar_type()),
                   1, delta.scale);
}

std::vector<Trainable> DeltaLoraAdapter::trainables() {
  return {{"lora_A.weight", leaves_.A, {}}, {"lora_B.weight", leaves_.B, {}}};
}

AdapterMemory DeltaLoraAdapter::memory(std::int64_t) const {
  AdapterMemory memory;
  memory.held_bytes = static_cast<std::int64_t>(down_.nbytes() + up_.nbytes());
  return memory;
}

}  // namespace svtune
