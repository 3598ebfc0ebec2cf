// The adapter of VeRA: y = x Wᵀ + λ_b ∘ ((λ_d ∘ (x Aᵀ)) Bᵀ).
#pragma once

#include <memory>

#include "adapters/vera/vera_projection.h"
#include "nn/adapter.h"

namespace svtune {

class VeraAdapter final : public Adapter {
 public:
  // λ_d [r] starts at `d_initial`, λ_b [out] at zero; fp32 (fp64 for an fp64 base).
  VeraAdapter(std::shared_ptr<const VeraProjection> projection, const BaseWeight& base,
              double d_initial, double dropout);

  at::Tensor forward(const at::Tensor& x, const BaseWeight& base) override;
  at::Tensor merged_weight(const BaseWeight& base) const override;
  std::vector<Trainable> trainables() override;
  std::optional<LowRankDelta> low_rank_delta() const override;  // exact, scale 1
  AdapterMemory memory(std::int64_t tokens) const override;
  void begin_micro_batch(bool training, std::uint64_t seed) override;

 private:
  std::shared_ptr<const VeraProjection> projection_;
  std::int64_t in_, out_;
  at::Tensor lambda_d_, lambda_b_;
  double dropout_;
  bool training_ = false;
  std::uint64_t mask_seed_ = 0;
};

}  // namespace svtune
