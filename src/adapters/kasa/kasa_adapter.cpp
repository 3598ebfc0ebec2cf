#include "adapters/kasa/kasa_adapter.h"

#include <algorithm>
#include <utility>

#include "adapters/dropout_mask.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

// ‖M Mᵀ − 1‖
at::Tensor distance_from_orthogonal(const at::Tensor& rows) {
  const at::Tensor gram = at::mm(rows, rows.t());
  return (gram - at::eye(gram.size(0), gram.options())).norm();
}

}  // namespace

KasaState::KasaState(double singular_weight, double orthogonal_weight,
                     std::span<const LayerSite> sites)
    : singular_weight_(singular_weight),
      orthogonal_weight_(orthogonal_weight),
      leaves_(sites.size()) {
  for (const LayerSite& site : sites) names_.push_back(site.name);
}

void KasaState::join(const std::string& layer, const KasaLeaves& leaves) {
  leaves_[static_cast<std::size_t>(std::ranges::find(names_, layer) - names_.begin())] = leaves;
}

at::Tensor KasaState::penalty() const {
  if (leaves_.empty() || (singular_weight_ == 0 && orthogonal_weight_ == 0)) return {};
  std::vector<at::Tensor> terms;
  for (const KasaLeaves& layer : leaves_) {
    terms.push_back(layer.d.square().sum() * singular_weight_);
    terms.push_back((distance_from_orthogonal(layer.B.t()) + distance_from_orthogonal(layer.A)) *
                    orthogonal_weight_);
  }
  return at::stack(terms).sum();
}

KasaAdapter::KasaAdapter(const KasaLeaves& leaves, at::Tensor L, at::Tensor R,
                         LowRankOptions options)
    : leaves_{leaves.A.requires_grad_(true), leaves.d.requires_grad_(true),
              leaves.B.requires_grad_(true)},
      L_(std::move(L)),
      R_(std::move(R)),
      options_(std::move(options)) {
  remake_factors();
}

void KasaAdapter::refresh(const BaseWeight&) { remake_factors(); }

void KasaAdapter::remake_factors() {
  const LowRankDelta delta = *low_rank_delta();
  factors_ = {delta.down.to(options_.compute_dtype), delta.up.to(options_.compute_dtype),
              options_.scaling, false};
}

std::optional<LowRankDelta> KasaAdapter::low_rank_delta() const {
  const at::NoGradGuard no_grad;
  return LowRankDelta{at::cat({leaves_.A * leaves_.d.unsqueeze(1), R_}, 0),
                      at::cat({leaves_.B, L_ / -options_.scaling}, 1), options_.scaling};
}

// Dropout takes part of the branch only, see forward().
std::optional<LowRankTerms> KasaAdapter::low_rank_terms(const at::Tensor&) {
  if (training_ && options_.dropout > 0) return std::nullopt;
  return LowRankTerms{factors_, {leaves_.A * leaves_.d.unsqueeze(1), leaves_.B, {}}};
}

at::Tensor KasaAdapter::forward(const at::Tensor& x, const BaseWeight& base) {
  const LowRankLeaves trained{leaves_.A * leaves_.d.unsqueeze(1), leaves_.B, {}};
  const at::Tensor mask =
      training_ ? dropout_mask_for(x, options_.dropout, mask_seed_) : at::Tensor();
  if (!mask.defined()) return low_rank_linear(x, base, factors_, trained);
  // Dropout is of what trains, not of what W has lost.
  const std::int64_t r = leaves_.B.size(1);
  const LowRankFactors part{factors_.down.narrow(0, 0, r), factors_.up.narrow(1, 0, r),
                            factors_.scale, false};
  const at::Tensor lost =
      at::mm(at::mm(x, factors_.down.narrow(0, r, r).t()), factors_.up.narrow(1, r, r).t());
  return low_rank_linear(x, base, part, trained, mask) + lost * factors_.scale;
}

at::Tensor KasaAdapter::merged_weight(const BaseWeight& base) const {
  const at::NoGradGuard no_grad;
  const LowRankDelta delta = *low_rank_delta();
  const at::Tensor weight = base.dense_high_precision();
  return at::addmm(weight, delta.up.to(weight.scalar_type()), delta.down.to(weight.scalar_type()),
                   1, delta.scale);
}

std::vector<Trainable> KasaAdapter::trainables() {
  return {{"lora_A.weight", leaves_.A, {}},
          {"lora_B.weight", leaves_.B, {}},
          {"lora_diag", leaves_.d, {1.0, false}}};
}

std::vector<NamedTensor> KasaAdapter::frozen_state() const {
  return {{"dropped_L", L_}, {"dropped_R", R_}};
}

AdapterMemory KasaAdapter::memory(std::int64_t) const {
  AdapterMemory memory;
  memory.kept_per_token = factors_.down.size(0);
  if (options_.dropout > 0) memory.kept_per_token += leaves_.A.size(1);
  memory.held_bytes = static_cast<std::int64_t>(factors_.down.nbytes() + factors_.up.nbytes());
  return memory;
}

void KasaAdapter::begin_micro_batch(bool training, std::uint64_t seed) {
  training_ = training;
  mask_seed_ = seed;
}

}  // namespace svtune
