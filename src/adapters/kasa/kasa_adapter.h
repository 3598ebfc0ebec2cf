// The adapter of KaSA, W − L R + s·B diag(d) A, and the penalty over all layers.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "adapters/low_rank/low_rank_adapter.h"
#include "adapters/method.h"

namespace svtune {

struct KasaLeaves {
  at::Tensor A, d, B;  // [r, in], [r], [out, r]
};

class KasaState final : public MethodState {
 public:
  KasaState(double singular_weight, double orthogonal_weight, std::span<const LayerSite> sites);

  // The trained leaves of a layer. Safe for several layers at once.
  void join(const std::string& layer, const KasaLeaves& leaves);
  // β Σ d² + γ (‖Bᵀ B − 1‖ + ‖A Aᵀ − 1‖), summed over layers.
  at::Tensor penalty() const override;

 private:
  double singular_weight_, orthogonal_weight_;
  std::vector<std::string> names_;
  std::vector<KasaLeaves> leaves_;
};

class KasaAdapter final : public Adapter {
 public:
  // `L` [out, r] and `R` [r, in] are what W loses, in the leaves' dtype.
  KasaAdapter(const KasaLeaves& leaves, at::Tensor L, at::Tensor R, LowRankOptions options);

  at::Tensor forward(const at::Tensor& x, const BaseWeight& base) override;
  std::optional<LowRankTerms> low_rank_terms(const at::Tensor& x) override;
  at::Tensor merged_weight(const BaseWeight& base) const override;
  std::vector<Trainable> trainables() override;  // lora_A.weight, lora_B.weight, lora_diag
  std::optional<LowRankDelta> low_rank_delta() const override;
  std::vector<NamedTensor> frozen_state() const override;  // dropped_L, dropped_R
  AdapterMemory memory(std::int64_t tokens) const override;
  void refresh(const BaseWeight& base) override;
  void begin_micro_batch(bool training, std::uint64_t seed) override;

 private:
  void remake_factors();

  KasaLeaves leaves_;
  at::Tensor L_, R_;
  LowRankOptions options_;
  LowRankFactors factors_;  // diag(d) A above R, and B beside −L / s
  bool training_ = false;
  std::uint64_t mask_seed_ = 0;
};

}  // namespace svtune
