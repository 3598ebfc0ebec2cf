#include "adapters/low_rank/low_rank_adapter.h"

#include <utility>

#include "adapters/dropout.h"
#include "libtorch/prelude.h"

namespace svtune {

LowRankAdapter::LowRankAdapter(const at::Tensor& A, const at::Tensor& B, LowRankOptions options,
                               at::Tensor A0, at::Tensor B0)
    : A_(A.requires_grad_(true)),
      B_(B.requires_grad_(true)),
      A0_(std::move(A0)),
      B0_(std::move(B0)),
      options_(options) {
  remake_factors();
}

void LowRankAdapter::set_branch_bias(const at::Tensor& bias) {
  branch_bias_ = bias.requires_grad_(true);
}

std::optional<LowRankDelta> LowRankAdapter::low_rank_delta() const {
  const at::NoGradGuard no_grad;
  const at::Tensor A = A_.detach(), B = B_.detach();
  if (!A0_.defined()) return LowRankDelta{A, B, options_.scaling};
  return LowRankDelta{at::cat({A, A - A0_}, 0), at::cat({B - B0_, B0_}, 1), options_.scaling};
}

std::optional<LowRankDelta> LowRankAdapter::start_in_base() const {
  if (!A0_.defined()) return std::nullopt;
  return LowRankDelta{A0_, B0_, options_.scaling};
}

void LowRankAdapter::refresh(const BaseWeight&) { remake_factors(); }

void LowRankAdapter::remake_factors() {
  const LowRankDelta delta = *low_rank_delta();
  factors_ = {delta.down.to(options_.compute_dtype), delta.up.to(options_.compute_dtype),
              options_.scaling, A0_.defined()};
}

at::Tensor LowRankAdapter::forward(const at::Tensor& x, const BaseWeight& base) {
  return low_rank_linear(x, base, factors_, {A_, B_, branch_bias_}, dropout_mask(x));
}

at::Tensor LowRankAdapter::merged_weight(const BaseWeight& base) const {
  const at::NoGradGuard no_grad;
  const LowRankDelta delta = *low_rank_delta();
  const at::Tensor weight = base.dense_high_precision();
  return at::addmm(weight, delta.up.to(weight.scalar_type()), delta.down.to(weight.scalar_type()),
                   1, delta.scale);
}

at::Tensor LowRankAdapter::output_bias() const {
  return branch_bias_.defined() ? branch_bias_.detach() * options_.scaling : at::Tensor();
}

std::vector<Trainable> LowRankAdapter::trainables() {
  std::vector<Trainable> list{{"lora_A.weight", A_, {}}, {"lora_B.weight", B_, {}}};
  // Decay would pull principal components towards zero instead of towards W.
  if (A0_.defined()) list[0].group.weight_decay = list[1].group.weight_decay = false;
  list[1].group.learning_rate_scale = options_.b_rate_ratio;
  if (branch_bias_.defined()) {
    list.push_back({"lora_B.bias", branch_bias_, {options_.b_rate_ratio, false}});
  }
  return list;
}

std::vector<NamedTensor> LowRankAdapter::frozen_state() const {
  if (!A0_.defined()) return {};
  return {{"initial_A", A0_}, {"initial_B", B0_}};
}

AdapterMemory LowRankAdapter::memory(std::int64_t) const {
  AdapterMemory memory;
  if (options_.dropout > 0) memory.kept_per_token = A_.size(1);
  const bool copied = A0_.defined() || A_.scalar_type() != options_.compute_dtype;
  if (copied) {
    memory.held_bytes = static_cast<std::int64_t>(factors_.down.nbytes() + factors_.up.nbytes());
  }
  return memory;
}

void LowRankAdapter::begin_micro_batch(bool training, std::uint64_t seed) {
  training_ = training;
  mask_seed_ = seed;
}

at::Tensor LowRankAdapter::dropout_mask(const at::Tensor& x) const {
  return training_ ? dropout_mask_for(x, options_.dropout, mask_seed_) : at::Tensor();
}

}  // namespace svtune
