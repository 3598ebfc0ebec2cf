#include "adapters/flora/flora.h"

#include <algorithm>

#include "adapters/low_rank/low_rank_config.h"
#include "adapters/orthogonal/block_rotation.h"
#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

// The first pair starts at one, and so at W; of the others b is zero and a random.
class FloraAdapter final : public Adapter {
 public:
  FloraAdapter(const at::Tensor& A, const at::Tensor& B)
      : A_(A.requires_grad_(true)), B_(B.requires_grad_(true)) {}

  at::Tensor forward(const at::Tensor& x, const BaseWeight& base) override {
    at::Tensor others;
    for (std::int64_t j = 1; j < A_.size(0); ++j) {
      const at::Tensor product = base.matmul(x * A_[j].to(x.scalar_type()));
      const at::Tensor one = product * B_.select(1, j).to(x.scalar_type());
      others = others.defined() ? others + one : one;
    }
    const at::Tensor change = x * (A_[0] - 1).to(x.scalar_type());
    return changed_linear(x, change, B_.select(1, 0), base, seed_, others);
  }

  void begin_micro_batch(bool, std::uint64_t seed) override { seed_ = seed; }

  at::Tensor merged_weight(const BaseWeight& base) const override {
    const at::NoGradGuard no_grad;
    const at::Tensor weight = base.dense_high_precision();
    return weight * at::mm(B_, A_).to(weight.scalar_type());
  }

  std::vector<Trainable> trainables() override {
    // Decay would pull the weight itself towards zero.
    return {{"flora_A", A_, {1.0, false}}, {"flora_B", B_, {1.0, false}}};
  }

  AdapterMemory memory(std::int64_t) const override {
    AdapterMemory memory;
    // The product of each pair, and what it multiplied.
    memory.kept_per_token = A_.size(0) * B_.size(0);
    return memory;
  }

 private:
  at::Tensor A_, B_;        // leaves [r, in], [out, r]
  std::uint64_t seed_ = 0;  // of the rounding of scaled inputs and outputs
};

AdapterInit finish(const at::Tensor& A, const at::Tensor& B) {
  AdapterInit init;
  init.adapter = std::make_unique<FloraAdapter>(A, B);
  init.report["rank"] = A.size(0);
  return init;
}

}  // namespace

void check_layer(const FloraConfig& config, const LayerSite& site) {
  const std::int64_t limit = std::min(site.base.in_features(), site.base.out_features());
  if (config.rank <= limit) return;
  throw ModelError(site.name + ": rank " + std::to_string(config.rank) +
                       " is impossible for a weight [" + std::to_string(site.base.out_features()) +
                       ", " + std::to_string(site.base.in_features()) + "], allowed are 1 to " +
                       std::to_string(limit),
                   "Lower --rank, or leave the layer out of the targets.");
}

AdapterInit make_adapter(const FloraConfig& config, const LayerSite& site) {
  check_layer(config, site);
  at::Tensor A = uniform_factor(site, config.rank);
  A[0].fill_(1);
  const at::Tensor B =
      at::zeros({site.base.out_features(), config.rank}, factor_options(site.base));
  B.select(1, 0).fill_(1);
  return finish(A, B);
}

AdapterInit make_empty_adapter(const FloraConfig& config, const LayerSite& site) {
  const at::TensorOptions options = factor_options(site.base);
  return finish(at::zeros({config.rank, site.base.in_features()}, options),
                at::zeros({site.base.out_features(), config.rank}, options));
}

}  // namespace svtune
