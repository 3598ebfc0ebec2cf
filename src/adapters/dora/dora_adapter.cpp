#include "adapters/dora/dora_adapter.h"

#include <algorithm>
#include <utility>

#include "libtorch/autograd.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kTileElements = std::int64_t{1} << 22;
constexpr double kSmallestNorm = 1e-30;  // a row of zeros stays one, without 0 / 0

at::ScalarType sum_type(const BaseWeight& base) {
  return base.dtype() == at::kDouble ? at::kDouble : at::kFloat;
}

// The rows of W in fp32 (fp64), a tile after the other.
template <class Work>
void for_each_row_tile(const BaseWeight& base, const Work& work) {
  const at::Tensor W = base.quantized() ? base.dense() : base.stored();
  const std::int64_t step = std::max<std::int64_t>(1, kTileElements / W.size(1));
  for (std::int64_t first = 0; first < W.size(0); first += step) {
    const std::int64_t count = std::min(step, W.size(0) - first);
    work(first, count, W.narrow(0, first, count).to(sum_type(base)));
  }
}

// y = v · m / n, the norm n a constant.
struct ScaledRows : torch::autograd::Function<ScaledRows> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& v, const at::Tensor& magnitude,
                            const at::Tensor& norms) {
    ctx->save_for_backward({v, magnitude, norms});
    return (v * (magnitude / norms)).to(v.scalar_type());
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &v = saved[0], &magnitude = saved[1], &norms = saved[2];
    const at::Tensor wide = grads[0].to(norms.scalar_type());
    return {(wide * (magnitude / norms)).to(v.scalar_type()), (wide * v).sum(0) / norms,
            at::Tensor()};
  }
};

}  // namespace

at::Tensor row_squares(const BaseWeight& base) {
  const at::NoGradGuard no_grad;
  const at::Tensor squares = at::empty(
      {base.out_features()}, at::TensorOptions().dtype(at::kDouble).device(base.device()));
  for_each_row_tile(base, [&](std::int64_t first, std::int64_t count, const at::Tensor& rows) {
    const at::Tensor norms = at::linalg_vector_norm(rows, 2, {1}, false, at::kDouble);
    squares.narrow(0, first, count).copy_(norms.square());
  });
  return squares;
}

at::Tensor factored_row_norms(const BaseWeight& base, const at::Tensor& squares,
                              const LowRankDelta& delta) {
  const at::NoGradGuard no_grad;
  const at::Tensor up = delta.up.to(at::kDouble) * delta.scale;
  const at::Tensor down = delta.down.to(at::kDouble);
  const at::Tensor gram = at::mm(down, down.t());
  const at::Tensor columns = delta.down.to(sum_type(base)).t();
  at::Tensor sums = squares.clone();
  for_each_row_tile(base, [&](std::int64_t first, std::int64_t count, const at::Tensor& rows) {
    const at::Tensor part = up.narrow(0, first, count);
    const at::Tensor cross = at::mm(rows, columns).to(at::kDouble);
    sums.narrow(0, first, count).add_((part * (cross * 2 + at::mm(part, gram))).sum(1));
  });
  return sums.clamp_min_(0).sqrt_();
}

DoraAdapter::DoraAdapter(std::unique_ptr<LowRankAdapter> update, const BaseWeight& base,
                         bool initialise)
    : update_(std::move(update)) {
  const at::TensorOptions options = update_->A().options().requires_grad(false);
  if (initialise) {
    measure(base);
    magnitude_ = norms_.clone();
  } else {
    magnitude_ = at::zeros({base.out_features()}, options);
    norms_ = at::ones({base.out_features()}, options);
  }
  magnitude_.requires_grad_(true);
}

void DoraAdapter::refresh(const BaseWeight& base) {
  update_->refresh(base);
  measure(base);
}

void DoraAdapter::measure(const BaseWeight& base) {
  if (!squares_.defined()) squares_ = row_squares(base);
  norms_ = factored_row_norms(base, squares_, *update_->low_rank_delta())
               .clamp_min_(kSmallestNorm)
               .to(update_->A().scalar_type());
}

at::Tensor DoraAdapter::forward(const at::Tensor& x, const BaseWeight& base) {
  const at::Tensor changed = update_->forward(x, base);
  const at::Tensor mask = update_->dropout_mask(x);
  if (!mask.defined()) return ScaledRows::apply(changed, magnitude_, norms_);
  // As in PEFT, what dropout takes from the input passes W alone, at its own lengths.
  const at::Tensor dropped = base.matmul(x - x * mask);
  return ScaledRows::apply(changed - dropped, magnitude_, norms_) + dropped;
}

at::Tensor DoraAdapter::merged_weight(const BaseWeight& base) const {
  const at::NoGradGuard no_grad;
  const at::Tensor changed = update_->merged_weight(base);
  const at::Tensor norms = at::linalg_vector_norm(changed, 2, {1}, true, at::kDouble);
  const at::Tensor factor =
      magnitude_.detach().to(at::kDouble).unsqueeze(1) / norms.clamp_min(kSmallestNorm);
  return changed * factor.to(changed.scalar_type());
}

std::vector<Trainable> DoraAdapter::trainables() {
  std::vector<Trainable> list = update_->trainables();
  list.push_back({"lora_magnitude_vector", magnitude_, {1.0, false}});
  return list;
}

std::optional<LowRankDelta> DoraAdapter::start_in_base() const { return update_->start_in_base(); }

std::vector<NamedTensor> DoraAdapter::frozen_state() const { return update_->frozen_state(); }

AdapterMemory DoraAdapter::memory(std::int64_t tokens) const {
  AdapterMemory memory = update_->memory(tokens);
  if (update_->drops()) memory.kept_per_token += update_->A().size(1);  // a second mask
  memory.kept_per_token += magnitude_.size(0);
  memory.held_bytes += static_cast<std::int64_t>(norms_.nbytes()) + 8 * magnitude_.size(0);
  return memory;
}

void DoraAdapter::begin_micro_batch(bool training, std::uint64_t seed) {
  update_->begin_micro_batch(training, seed);
}

}  // namespace svtune
