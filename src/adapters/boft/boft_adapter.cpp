#include "adapters/boft/boft_adapter.h"

#include <algorithm>
#include <numeric>

#include "adapters/low_rank/low_rank_config.h"
#include "adapters/orthogonal/block_rotation.h"
#include "adapters/orthogonal/cayley.h"
#include "base/random.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

at::Tensor gathered(const at::Tensor& x, const at::Tensor& order) {
  return order.defined() ? at::index_select(x, 1, order) : x;
}

}  // namespace

std::vector<std::int64_t> butterfly_order(const BoftShape& shape, std::int64_t factor) {
  const std::int64_t in = shape.block * shape.blocks, run = shape.block << factor,
                     chunk = shape.block / 2, chunks = run / chunk;
  std::vector<std::int64_t> order;
  for (std::int64_t first = 0; first < in; first += run) {
    for (const std::int64_t odd : {0, 1}) {
      for (std::int64_t c = odd; c < chunks; c += 2) {
        for (std::int64_t i = 0; i < chunk; ++i) order.push_back(first + c * chunk + i);
      }
    }
  }
  return order;
}

BoftAdapter::BoftAdapter(const BoftShape& shape, double dropout, const BaseWeight& base)
    : shape_(shape), dropout_(dropout), order_(shape.factors), back_(shape.factors) {
  const at::TensorOptions options = factor_options(base);
  matrices_ = at::zeros({shape.factors, shape.blocks, shape.block, shape.block}, options)
                  .requires_grad_(true);
  scale_ = at::ones({base.out_features(), 1}, options).requires_grad_(true);
  for (std::int64_t i = 1; i < shape.factors; ++i) {  // the first one mixes neighbours
    order_[i] = at::tensor(butterfly_order(shape, i), at::TensorOptions().dtype(at::kLong))
                    .to(base.device());
    back_[i] = at::argsort(order_[i]);
  }
}

at::Tensor BoftAdapter::changes() const {
  const std::int64_t b = shape_.block;
  const at::Tensor all = matrices_.view({shape_.factors * shape_.blocks, b, b});
  const at::Tensor D = cayley_change((all - all.transpose(1, 2)) * 0.5).view(matrices_.sizes());
  return turns_.defined() ? D * turns_ : D;
}

at::Tensor BoftAdapter::turned(const at::Tensor& x, const at::Tensor& changes,
                               bool transposed) const {
  at::Tensor sum;
  for (std::int64_t step = 0; step < shape_.factors; ++step) {
    const std::int64_t i = transposed ? step : shape_.factors - 1 - step;
    const at::Tensor D = transposed ? changes[i].transpose(1, 2) : changes[i];
    const at::Tensor now = sum.defined() ? x + sum : x;
    const at::Tensor change = gathered(block_product(gathered(now, back_[i]), D), order_[i]);
    sum = sum.defined() ? sum + change : change;
  }
  return sum;
}

at::Tensor BoftAdapter::forward(const at::Tensor& x, const BaseWeight& base) {
  const at::Tensor change = turned(x, changes().to(x.scalar_type()), /*transposed=*/false);
  return changed_linear(x, change, scale_.view({-1}), base, seed_);
}

at::Tensor BoftAdapter::merged_weight(const BaseWeight& base) const {
  const at::NoGradGuard no_grad;
  const at::Tensor weight = base.dense_high_precision();
  const at::Tensor D = changes().to(weight.scalar_type());
  return (weight + turned(weight, D, /*transposed=*/true)) *
         scale_.detach().to(weight.scalar_type());
}

std::vector<Trainable> BoftAdapter::trainables() {
  return {{"boft_R", matrices_, {}}, {"boft_s", scale_, {1.0, false}}};
}

AdapterMemory BoftAdapter::memory(std::int64_t) const {
  AdapterMemory memory;
  const std::int64_t in = shape_.block * shape_.blocks;
  // What each factor turns, which is the input itself of a single one and a copy of several, and
  // the product before its scale.
  memory.keeps_input = shape_.factors == 1;
  memory.kept_per_token = (shape_.factors > 1 ? shape_.factors * in : 0) + scale_.size(0);
  memory.held_bytes = 2 * (shape_.factors - 1) * in * 8;
  return memory;
}

void BoftAdapter::begin_micro_batch(bool training, std::uint64_t seed) {
  turns_ = at::Tensor();
  seed_ = seed;
  const auto stopped = static_cast<std::int64_t>(dropout_ * static_cast<double>(shape_.blocks));
  if (!training || stopped == 0) return;
  Xoshiro256 random(seed);
  const auto factor = static_cast<std::int64_t>(random.bounded(shape_.factors));
  std::vector<std::int64_t> blocks(shape_.blocks);
  std::iota(blocks.begin(), blocks.end(), 0);
  for (std::int64_t i = 0; i < stopped; ++i) {
    std::swap(blocks[i], blocks[i + static_cast<std::int64_t>(random.bounded(shape_.blocks - i))]);
  }
  turns_ = at::ones({shape_.factors, shape_.blocks, 1, 1}, scale_.options().requires_grad(false));
  for (std::int64_t i = 0; i < stopped; ++i) turns_[factor][blocks[i]] = 0;
}

}  // namespace svtune
