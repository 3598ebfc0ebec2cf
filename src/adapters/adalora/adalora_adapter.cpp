#include "adapters/adalora/adalora_adapter.h"

#include <utility>

#include "adapters/dropout_mask.h"
#include "libtorch/prelude.h"

namespace svtune {

AdaloraAdapter::AdaloraAdapter(const AdaloraLeaves& leaves, LowRankOptions options,
                               AdaloraStart start, std::shared_ptr<AdaloraState> state,
                               std::string layer, at::Tensor pattern)
    : A_(leaves.A.requires_grad_(true)),
      E_(leaves.E.requires_grad_(true)),
      B_(leaves.B.requires_grad_(true)),
      start_(std::move(start)),
      options_(options),
      state_(std::move(state)),
      layer_(std::move(layer)),
      pattern_(std::move(pattern)) {
  state_->join(layer_, {A_, E_, B_});
  remake_factors();
}

void AdaloraAdapter::refresh(const BaseWeight&) { remake_factors(); }

void AdaloraAdapter::remake_factors() {
  const at::NoGradGuard no_grad;
  const at::Tensor D = A_ * E_;
  const bool paired = start_.D.defined();
  const at::Tensor down = paired ? at::cat({D, D - start_.D}, 0) : D;
  const at::Tensor up = paired ? at::cat({B_ - start_.B, start_.B}, 1) : B_.detach();
  factors_ = {down.to(options_.compute_dtype), up.to(options_.compute_dtype), options_.scaling,
              paired};
}

at::Tensor AdaloraAdapter::forward(const at::Tensor& x, const BaseWeight& base) {
  const LowRankTerms terms = *low_rank_terms(x);
  return low_rank_linear(x, base, terms.factors, terms.leaves, terms.dropout_mask);
}

std::optional<LowRankTerms> AdaloraAdapter::low_rank_terms(const at::Tensor& x) {
  const at::Tensor mask =
      training_ ? dropout_mask_for(x, options_.dropout, mask_seed_) : at::Tensor();
  return LowRankTerms{factors_, {A_ * E_, B_, {}}, mask};
}

std::optional<LowRankDelta> AdaloraAdapter::low_rank_delta() const {
  const at::NoGradGuard no_grad;
  const at::Tensor D = A_ * E_, B = B_.detach();
  if (start_.D.defined()) {
    return LowRankDelta{at::cat({D, D - start_.D}, 0), at::cat({B - start_.B, start_.B}, 1),
                        options_.scaling};
  }
  if (D.size(0) > 0) return LowRankDelta{D, B, options_.scaling};
  // All triplets are gone; what exports needs one.
  return LowRankDelta{at::zeros({1, D.size(1)}, D.options()),
                      at::zeros({B.size(0), 1}, B.options()), options_.scaling};
}

std::optional<LowRankDelta> AdaloraAdapter::start_in_base() const {
  if (!start_.D.defined()) return std::nullopt;
  return LowRankDelta{start_.D, start_.B, options_.scaling};
}

at::Tensor AdaloraAdapter::merged_weight(const BaseWeight& base) const {
  const at::NoGradGuard no_grad;
  const LowRankDelta delta = *low_rank_delta();
  const at::Tensor weight = base.dense_high_precision();
  return at::addmm(weight, delta.up.to(weight.scalar_type()), delta.down.to(weight.scalar_type()),
                   1, delta.scale);
}

std::vector<Trainable> AdaloraAdapter::trainables() {
  // Decay would pull principal components towards zero instead of towards W.
  const TrainableGroup matrices{1.0, !start_.D.defined()};
  return {{"lora_A", A_, matrices}, {"lora_B", B_, matrices}, {"lora_E", E_, {1.0, false}}};
}

std::vector<NamedTensor> AdaloraAdapter::frozen_state() const {
  if (!start_.D.defined()) return {};
  return {{"initial_A", start_.D}, {"initial_B", start_.B}};
}

AdapterMemory AdaloraAdapter::memory(std::int64_t) const {
  AdapterMemory memory;
  memory.kept_per_token = factors_.down.size(0);
  if (options_.dropout > 0) memory.kept_per_token += A_.size(1);
  memory.held_bytes = static_cast<std::int64_t>(factors_.down.nbytes());
  if (start_.D.defined() || B_.scalar_type() != options_.compute_dtype) {
    memory.held_bytes += static_cast<std::int64_t>(factors_.up.nbytes());
  }
  return memory;
}

void AdaloraAdapter::begin_micro_batch(bool training, std::uint64_t seed) {
  training_ = training;
  mask_seed_ = seed;
}

at::Tensor AdaloraAdapter::final_pattern() const {
  if (pattern_.defined()) return pattern_;
  return state_->is_final() ? state_->kept(layer_) : at::Tensor();
}

AdaloraLeaves AdaloraAdapter::stored_leaves() const {
  const at::Tensor A = A_.detach(), E = E_.detach(), B = B_.detach();
  if (pattern_.defined() || !state_->is_final()) return {A, E, B};
  const at::Tensor left = state_->kept(layer_).nonzero().view({-1});
  return {A.index_select(0, left), E.index_select(0, left), B.index_select(1, left)};
}

}  // namespace svtune
