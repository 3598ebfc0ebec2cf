#include "adapters/low_rank/low_rank_adapter.h"

#include <utility>

#include "adapters/dropout_mask.h"
#include "base/errors.h"
#include "base/hash.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

void add_bytes(Hasher64& hasher, const at::Tensor& factor) {
  const at::Tensor data = factor.cpu().contiguous();
  hasher.update(std::string_view(static_cast<const char*>(data.const_data_ptr()), data.nbytes()));
}

at::Tensor hash_of(const at::Tensor& A, const at::Tensor& B) {
  Hasher64 hasher;
  add_bytes(hasher, A);
  add_bytes(hasher, B);
  const std::uint64_t hash = hasher.digest();
  at::Tensor halves = at::empty({2}, at::kInt);
  halves[0] = static_cast<std::int32_t>(hash);
  halves[1] = static_cast<std::int32_t>(hash >> 32);
  return halves;
}

}  // namespace

LowRankAdapter::LowRankAdapter(const at::Tensor& A, const at::Tensor& B, LowRankOptions options,
                               at::Tensor A0, at::Tensor B0)
    : A_(A.requires_grad_(true)),
      B_(B.requires_grad_(true)),
      A0_(std::move(A0)),
      B0_(std::move(B0)),
      options_(std::move(options)) {
  if (options_.start_hash) {
    // Factors that are shapes alone have no bytes.
    own_start_hash_ = A0_.is_meta() ? at::zeros({2}, at::kInt) : hash_of(A0_, B0_);
    start_hash_ = options_.start_hash->values_follow ? at::zeros_like(own_start_hash_)
                                                     : own_start_hash_.clone();
  }
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

void LowRankAdapter::refresh(const BaseWeight&) {
  check_start();
  remake_factors();
}

// Zero: not filled in yet.
void LowRankAdapter::check_start() const {
  if (!start_hash_.defined() || !start_hash_.any().item<bool>() ||
      start_hash_.equal(own_start_hash_)) {
    return;
  }
  throw ModelError(options_.start_hash->layer +
                       ": the decomposition computed here is not, to the bit, the one that the "
                       "adapter was trained from: another version or another kind of processor",
                   "export the adapter where it was trained, or train with --initial-factors "
                   "stored");
}

void LowRankAdapter::remake_factors() {
  const LowRankDelta delta = *low_rank_delta();
  factors_ = {delta.down.to(options_.compute_dtype), delta.up.to(options_.compute_dtype),
              options_.scaling, A0_.defined()};
}

at::Tensor LowRankAdapter::forward(const at::Tensor& x, const BaseWeight& base) {
  return low_rank_linear(x, base, factors_, {A_, B_, branch_bias_}, dropout_mask(x));
}

std::optional<LowRankTerms> LowRankAdapter::low_rank_terms(const at::Tensor& x) {
  return LowRankTerms{factors_, {A_, B_, branch_bias_}, dropout_mask(x)};
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
  if (start_hash_.defined()) return {{"initial_hash", start_hash_}};
  return {{"initial_A", A0_}, {"initial_B", B0_}};
}

AdapterMemory LowRankAdapter::memory(std::int64_t) const {
  AdapterMemory memory;
  memory.kept_per_token = factors_.down.size(0);
  if (options_.dropout > 0) memory.kept_per_token += A_.size(1);
  if (start_hash_.defined()) {
    memory.held_bytes = static_cast<std::int64_t>(A0_.nbytes() + B0_.nbytes());
  }
  const bool copied = A0_.defined() || A_.scalar_type() != options_.compute_dtype;
  if (copied) {
    memory.held_bytes += static_cast<std::int64_t>(factors_.down.nbytes() + factors_.up.nbytes());
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
