#include "adapters/oft/oft_adapter.h"

#include <cmath>

#include "adapters/low_rank/low_rank_config.h"
#include "adapters/orthogonal/block_rotation.h"
#include "adapters/orthogonal/cayley.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

// Far above the rounding of a norm: what was brought back once is not too large again.
constexpr double kMargin = 1e-6;

}  // namespace

OftAdapter::OftAdapter(const OftRule& rule, const OftShape& shape, const BaseWeight& base)
    : rule_(rule), shape_(shape), in_(base.in_features()) {
  const std::int64_t rows = rule.shared ? 1 : shape.blocks;
  upper_ = at::zeros({rows, shape.block * (shape.block - 1) / 2}, factor_options(base))
               .requires_grad_(true);
}

at::Tensor OftAdapter::change() const {
  const at::Tensor Q = skew_from_upper(upper_, shape_.block);
  return rule_.exact ? cayley_change(Q) : neumann_change(Q, rule_.terms);
}

void OftAdapter::refresh(const BaseWeight&) {
  if (!rule_.largest) return;
  const at::NoGradGuard no_grad;
  const at::Tensor leaf = upper_.detach();
  const double limit = *rule_.largest / std::sqrt(static_cast<double>(upper_.size(0)));
  // A skew-symmetric matrix has each entry twice.
  const at::Tensor norms = at::linalg_vector_norm(leaf, 2, {1}, true, at::kDouble) * std::sqrt(2.0);
  const at::Tensor factor =
      at::where(norms > limit, limit * (1 - kMargin) / norms, at::ones_like(norms));
  leaf.mul_(factor.to(leaf.scalar_type()));
}

void OftAdapter::begin_micro_batch(bool, std::uint64_t seed) { seed_ = seed; }

at::Tensor OftAdapter::forward(const at::Tensor& x, const BaseWeight& base) {
  return changed_linear(x, block_product(x, change().to(x.scalar_type())), {}, base, seed_);
}

at::Tensor OftAdapter::merged_weight(const BaseWeight& base) const {
  const at::NoGradGuard no_grad;
  const at::Tensor weight = base.dense_high_precision();
  return weight + block_product(weight, change().to(weight.scalar_type()).transpose(1, 2));
}

std::vector<Trainable> OftAdapter::trainables() { return {{"oft_R.weight", upper_, {}}}; }

AdapterMemory OftAdapter::memory(std::int64_t) const {
  AdapterMemory memory;
  // Nothing beside the input; while a layer is passed, the turned input and its gradient.
  return memory;
}

}  // namespace svtune
