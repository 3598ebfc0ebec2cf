// The adapter of Delta-LoRA, and what its layers keep for the run.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "adapters/low_rank/low_rank_config.h"
#include "nn/adapter.h"

namespace svtune {

struct DeltaLoraFactors {
  at::Tensor A, B;  // [r, in], [out, r]
};

// The factors of step K of each layer, and until then those of now.
class DeltaLoraState final : public MethodState {
 public:
  // `start` is K.
  DeltaLoraState(const LowRankConfig& low_rank, std::int64_t start,
                 std::span<const LayerSite> sites);

  // The layer's leaves; returns where its factors of step K stand. Safe for several layers at once.
  DeltaLoraFactors join(const std::string& layer, const DeltaLoraFactors& leaves);

  std::vector<NamedTensor> changing() const override;
  void after_step(std::int64_t step, std::int64_t total) override;

 private:
  struct Layer {
    std::string name;
    DeltaLoraFactors leaves, kept;
  };
  std::int64_t start_;
  std::vector<Layer> layers_;
};

class DeltaLoraAdapter final : public Adapter {
 public:
  // A [r, in], B [out, r] become leaves; `ratio` is λ.
  DeltaLoraAdapter(const DeltaLoraFactors& leaves, double scaling, double ratio,
                   at::ScalarType compute, const std::shared_ptr<DeltaLoraState>& state,
                   const std::string& layer, bool initialise);

  at::Tensor forward(const at::Tensor& x, const BaseWeight& base) override;
  at::Tensor merged_weight(const BaseWeight& base) const override;
  std::vector<Trainable> trainables() override;
  std::optional<LowRankDelta> low_rank_delta() const override;
  AdapterMemory memory(std::int64_t tokens) const override;
  void refresh(const BaseWeight& base) override;

 private:
  DeltaLoraFactors leaves_, kept_;
  double scaling_, ratio_;
  at::ScalarType compute_;
  at::Tensor down_, up_;  // of the whole change, [2r, in] and [out, 2r] in the compute dtype
};

}  // namespace svtune
