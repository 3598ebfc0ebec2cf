// W + U M Vᵀ with U, V from the decomposition of W frozen and M trained on a fixed pattern.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "adapters/svft/svft_forms.h"
#include "nn/adapter.h"

namespace svtune {

// The frozen singular directions of one weight, in the compute dtype.
struct SvftBasis {
  at::Tensor Uh;     // [n, out]
  at::Tensor Vh;     // [n, in]
  at::Tensor sigma;  // [n] fp32 (fp64 for fp64); undefined when the basis is truncated
};

struct SvftSetup {
  std::string layer;  // for messages
  SvftBasis basis;
  at::Tensor positions;          // int32 [2, k]
  bool store_positions = false;  // else they follow from the configuration
  bool store_basis = true;       // else the file holds a probe of it instead
  bool gate = false;
  bool values_follow = false;    // an empty adapter: frozen tensors are filled in later
  std::optional<SvftForm> form;  // instead of the cheapest one
};

class SvftAdapter final : public Adapter {
 public:
  explicit SvftAdapter(SvftSetup setup);

  at::Tensor forward(const at::Tensor& x, const BaseWeight& base) override;
  at::Tensor merged_weight(const BaseWeight& base) const override;
  std::vector<Trainable> trainables() override;
  // For a truncated basis: rank-n factors U M and Vᵀ.
  std::optional<LowRankDelta> low_rank_delta() const override;
  // svft_U [out, n], svft_V [in, n], svft_S [n] or svft_probe [out]; svft_positions [2, k].
  std::vector<NamedTensor> frozen_state() const override;
  AdapterMemory memory(std::int64_t tokens) const override;
  // Throws ModelError naming the layer when loaded positions are impossible or a recomputed
  // basis is not the one that the loaded values belong to.
  void refresh(const BaseWeight& base) override;

  std::int64_t count() const { return M_.size(0); }

 private:
  // U R Vᵀ ω with fixed random R on the pattern and ω: changes with any sign or rotation that
  // would change U M Vᵀ.
  at::Tensor probe() const;
  void finish_loading();
  void remake_values();
  bool basis_is_whole(const BaseWeight& base);
  SvftFactors factors() const;

  SvftSetup setup_;
  at::Tensor M_, gate_;  // leaves: [k], [1] or undefined
  at::Tensor probe_;     // [out] fp32; undefined when the basis itself is stored
  at::Tensor values_;    // M with the gate, detached
  at::Tensor dense_;     // see SvftForm::kDense; dropped when M changes
  std::shared_ptr<const SparsePattern> pattern_;
  std::optional<bool> whole_;  // U Σ Vᵀ = W, known after the first forward
};

}  // namespace svtune
