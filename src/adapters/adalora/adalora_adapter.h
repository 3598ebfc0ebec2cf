// The adapter of AdaLoRA: W + s·(B diag(E) A − B₀ D₀), D₀ [r, in] and B₀ absent without PiSSA's
// start. With it the change is s·(ΔB·D + B₀·ΔD), D = diag(E) A, which is zero at the start.
#pragma once

#include <memory>
#include <string>

#include "adapters/adalora/adalora_state.h"
#include "adapters/low_rank/low_rank_adapter.h"

namespace svtune {

struct AdaloraStart {
  at::Tensor D, B;  // [r, in], [out, r]; both undefined: none
};

class AdaloraAdapter final : public Adapter {
 public:
  // `layer` is its name in the state. `pattern` [rank before pruning] bool says which triplets an
  // adapter from a file holds; undefined: all.
  AdaloraAdapter(const AdaloraLeaves& leaves, LowRankOptions options, AdaloraStart start,
                 std::shared_ptr<AdaloraState> state, std::string layer, at::Tensor pattern = {});

  at::Tensor forward(const at::Tensor& x, const BaseWeight& base) override;
  std::optional<LowRankTerms> low_rank_terms(const at::Tensor& x) override;
  at::Tensor merged_weight(const BaseWeight& base) const override;
  std::vector<Trainable> trainables() override;
  std::optional<LowRankDelta> low_rank_delta() const override;
  std::optional<LowRankDelta> start_in_base() const override;
  std::vector<NamedTensor> frozen_state() const override;
  AdapterMemory memory(std::int64_t tokens) const override;
  void refresh(const BaseWeight& base) override;
  void begin_micro_batch(bool training, std::uint64_t seed) override;

  const AdaloraState& state() const { return *state_; }
  // [rank before pruning] bool, once no triplet leaves or returns; undefined before.
  at::Tensor final_pattern() const;
  // The leaves as a file holds them: without the triplets that are gone for good.
  AdaloraLeaves stored_leaves() const;

 private:
  void remake_factors();

  at::Tensor A_, E_, B_;
  AdaloraStart start_;
  LowRankOptions options_;
  LowRankFactors factors_;
  std::shared_ptr<AdaloraState> state_;
  std::string layer_;
  at::Tensor pattern_;
  bool training_ = false;
  std::uint64_t mask_seed_ = 0;
};

}  // namespace svtune
