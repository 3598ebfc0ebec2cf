// The adapter of the family W + s·L C R (spectral_plan.h).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "adapters/spectral/spectral_linear.h"
#include "adapters/spectral/spectral_plan.h"
#include "nn/adapter.h"

namespace svtune {

struct SpectralBasis {
  at::Tensor L, R;  // [out, r], [r, in] in the compute dtype; undefined is the side that trains
  at::Tensor P;     // [count, r, r] of kNumbers, else undefined
};

// Of what trains in a layer with r triplets.
std::vector<std::int64_t> spectral_leaf_shape(const SpectralPlan& plan, std::int64_t r,
                                              const BaseWeight& base);

// A leaf that several layers train; one of them owns it.
struct SharedLeaf {
  at::Tensor tensor;
  bool owned = false;
};

class SpectralAdapter final : public Adapter {
 public:
  // `shared` undefined: a leaf of its own.
  SpectralAdapter(const SpectralPlan& plan, SpectralBasis basis, const BaseWeight& base,
                  const SharedLeaf& shared = {});

  at::Tensor forward(const at::Tensor& x, const BaseWeight& base) override;
  at::Tensor merged_weight(const BaseWeight& base) const override;
  // spectral_c, spectral_C, spectral_v, spectral_Q (and spectral_a, spectral_b), spectral_L or
  // spectral_R; nothing in layers that share what another one owns.
  std::vector<Trainable> trainables() override;
  // L and C R, in the leaves' dtype; none for all triplets, whose factors are larger than the
  // weight.
  std::optional<LowRankDelta> low_rank_delta() const override;
  std::vector<NamedTensor> frozen_state() const override;  // spectral_L, spectral_R, spectral_P
  AdapterMemory memory(std::int64_t tokens) const override;
  void begin_micro_batch(bool training, std::uint64_t seed) override;

 private:
  // C [r, r], or its diagonal [r], of the leaves. Differentiable.
  at::Tensor core() const;
  at::Tensor left() const;  // L [out, r] in its own dtype
  // C R [r, in] in the leaves' dtype.
  at::Tensor right() const;

  SpectralPlan plan_;
  SpectralBasis basis_;
  std::int64_t rank_, in_;
  at::Tensor leaf_;  // what trains, see SpectralPart
  bool owns_ = true;
  at::Tensor a_, b_;  // leaves [r] or undefined
  bool training_ = false;
  std::uint64_t mask_seed_ = 0;
};

}  // namespace svtune
