// The adapter of DoRA around a low-rank one.
#pragma once

#include <memory>

#include "adapters/low_rank/low_rank_adapter.h"

namespace svtune {

// ‖row i of W + scale·up·down‖ [out] in fp64, without the dense sum:
// ‖w‖² + 2s·b·(A w) + s²·b (A Aᵀ) bᵀ, where `squares` [out] fp64 holds ‖w‖². Products are fp32
// (fp64 for an fp64 base), sums fp64.
at::Tensor factored_row_norms(const BaseWeight& base, const at::Tensor& squares,
                              const LowRankDelta& delta);
// ‖row i of W‖² [out] in fp64.
at::Tensor row_squares(const BaseWeight& base);

class DoraAdapter final : public Adapter {
 public:
  // `update` is W's change before the rows are brought to their lengths. The lengths [out], fp32
  // (fp64 in tests), start as those of the changed weight; `initialise` false leaves them to a
  // file.
  DoraAdapter(std::unique_ptr<LowRankAdapter> update, const BaseWeight& base, bool initialise);

  at::Tensor forward(const at::Tensor& x, const BaseWeight& base) override;
  at::Tensor merged_weight(const BaseWeight& base) const override;
  std::vector<Trainable> trainables() override;
  std::optional<LowRankDelta> start_in_base() const override;
  std::vector<NamedTensor> frozen_state() const override;
  AdapterMemory memory(std::int64_t tokens) const override;
  void refresh(const BaseWeight& base) override;
  void begin_micro_batch(bool training, std::uint64_t seed) override;

  LowRankAdapter& update() const { return *update_; }
  const at::Tensor& magnitude() const { return magnitude_; }

 private:
  void measure(const BaseWeight& base);

  std::unique_ptr<LowRankAdapter> update_;
  at::Tensor magnitude_;  // leaf [out]
  at::Tensor squares_;    // ‖w‖² [out] fp64, constant
  at::Tensor norms_;      // of the changed weight's rows, in the leaf's dtype
};

}  // namespace svtune
