#include "adapters/spectral/spectral_adapter.h"

#include <algorithm>
#include <string>
#include <utility>

#include "adapters/dropout_mask.h"
#include "adapters/low_rank/low_rank_config.h"
#include "adapters/orthogonal/cayley.h"
#include "libtorch/prelude.h"

namespace svtune {

std::vector<std::int64_t> spectral_leaf_shape(const SpectralPlan& plan, std::int64_t r,
                                              const BaseWeight& base) {
  switch (plan.trains) {
    case SpectralPart::kDiagonal:
      return {r};
    case SpectralPart::kBlock:
      return {r, r};
    case SpectralPart::kNumbers:
      return {plan.count};
    case SpectralPart::kRotation:
      return {r * (r - 1) / 2};
    case SpectralPart::kLeftSide:
      return {base.out_features(), r};
    case SpectralPart::kRightSide:
      return {r, base.in_features()};
  }
  return {};
}

namespace {

std::string leaf_name(SpectralPart part) {
  switch (part) {
    case SpectralPart::kDiagonal:
      return "spectral_c";
    case SpectralPart::kBlock:
      return "spectral_C";
    case SpectralPart::kNumbers:
      return "spectral_v";
    case SpectralPart::kRotation:
      return "spectral_Q";
    case SpectralPart::kLeftSide:
      return "spectral_L";
    case SpectralPart::kRightSide:
      return "spectral_R";
  }
  return {};
}

}  // namespace

SpectralAdapter::SpectralAdapter(const SpectralPlan& plan, SpectralBasis basis,
                                 const BaseWeight& base, const SharedLeaf& shared)
    : plan_(plan),
      basis_(std::move(basis)),
      rank_(basis_.L.defined() ? basis_.L.size(1) : basis_.R.size(0)),
      in_(base.in_features()),
      leaf_(shared.tensor) {
  const at::TensorOptions options = factor_options(base);
  if (leaf_.defined()) {
    owns_ = shared.owned;
  } else {
    leaf_ = at::zeros(spectral_leaf_shape(plan, rank_, base), options).requires_grad_(true);
  }
  if (plan.trains == SpectralPart::kRotation && plan.rotation_scales) {
    a_ = at::ones({rank_}, options).requires_grad_(true);
    b_ = at::ones({rank_}, options).requires_grad_(true);
  }
}

at::Tensor SpectralAdapter::core() const {
  if (plan_.trains == SpectralPart::kNumbers) {
    const at::Tensor flat = basis_.P.view({plan_.count, rank_ * rank_});
    return at::mm(leaf_.unsqueeze(0), flat).view({rank_, rank_});
  }
  if (plan_.trains != SpectralPart::kRotation) return leaf_;
  const at::Tensor Q = skew_from_upper(leaf_.unsqueeze(0), rank_);
  const at::Tensor change = cayley_change(-Q)[0];
  if (!a_.defined()) return change;
  return b_.unsqueeze(1) * change * a_ + at::diag(a_ * b_ - 1);
}

at::Tensor SpectralAdapter::forward(const at::Tensor& x, const BaseWeight& base) {
  const at::Tensor mask = training_ ? dropout_mask_for(x, plan_.dropout, mask_seed_) : at::Tensor();
  const SpectralSides sides{basis_.L, basis_.R, plan_.scaling};
  switch (plan_.trains) {
    case SpectralPart::kLeftSide:
      return spectral_left_linear(x, base, sides, leaf_, mask);
    case SpectralPart::kRightSide:
      return spectral_right_linear(x, base, sides, leaf_, mask);
    default:
      return spectral_core_linear(x, base, sides, core(), mask);
  }
}

at::Tensor SpectralAdapter::left() const {
  return plan_.trains == SpectralPart::kLeftSide ? leaf_.detach() : basis_.L;
}

at::Tensor SpectralAdapter::right() const {
  if (plan_.trains == SpectralPart::kRightSide) return leaf_.detach();
  if (plan_.trains == SpectralPart::kLeftSide) return basis_.R.to(leaf_.scalar_type());
  const at::Tensor C = core(), R = basis_.R.to(C.scalar_type());
  return C.dim() == 1 ? C.unsqueeze(1) * R : at::mm(C, R);
}

at::Tensor SpectralAdapter::merged_weight(const BaseWeight& base) const {
  const at::NoGradGuard no_grad;
  const at::Tensor weight = base.dense_high_precision();
  const at::ScalarType dtype = weight.scalar_type();
  return at::addmm(weight, left().to(dtype), right().to(dtype), 1, plan_.scaling);
}

std::optional<LowRankDelta> SpectralAdapter::low_rank_delta() const {
  if (plan_.rank == 0) return std::nullopt;
  const at::NoGradGuard no_grad;
  const at::Tensor down = right().clone();
  const at::Tensor up = left().to(down.scalar_type(), /*non_blocking=*/false, /*copy=*/true);
  return LowRankDelta{down, up, plan_.scaling};
}

std::vector<Trainable> SpectralAdapter::trainables() {
  if (!owns_) return {};
  std::vector<Trainable> list{{leaf_name(plan_.trains), leaf_, {1.0, leaf_.dim() > 1}}};
  if (a_.defined()) {
    list.push_back({"spectral_a", a_, {1.0, false}});
    list.push_back({"spectral_b", b_, {1.0, false}});
  }
  return list;
}

std::vector<NamedTensor> SpectralAdapter::frozen_state() const {
  std::vector<NamedTensor> list;
  if (basis_.L.defined()) list.push_back({"spectral_L", basis_.L});
  if (basis_.R.defined()) list.push_back({"spectral_R", basis_.R});
  if (basis_.P.defined()) list.push_back({"spectral_P", basis_.P});
  return list;
}

AdapterMemory SpectralAdapter::memory(std::int64_t) const {
  AdapterMemory memory;
  if (plan_.dropout > 0) memory.kept_per_token = in_;
  if (plan_.trains == SpectralPart::kRightSide) return memory;
  memory.keeps_input = false;
  memory.kept_per_token += rank_;
  return memory;
}

void SpectralAdapter::begin_micro_batch(bool training, std::uint64_t seed) {
  training_ = training;
  mask_seed_ = seed;
}

}  // namespace svtune
