// W + U M Vᵀ with U, V from the decomposition of W frozen and M trained on a fixed pattern.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "adapters/svft/svft_forms.h"
#include "nn/adapter.h"

namespace svtune {

// The frozen singular directions of one weight. Products take them in the compute dtype, and they
// are stored in it, in bf16 or quantised.
struct SvftBasis {
  BaseWeight Uh;     // [n, out]
  BaseWeight Vh;     // [n, in]
  at::Tensor sigma;  // [n] fp32 (fp64 for fp64); undefined when the basis is truncated
};

// A basis from a decomposition: as products use it, and before it was rounded to their dtype.
struct SvftRecomputed {
  SvftBasis basis;
  at::Tensor Uh, Vh;  // fp32; undefined when nothing was decomposed
};

struct SvftSetup {
  std::string layer;  // for messages
  SvftBasis basis;
  at::Tensor positions;          // int32 [2, k]; where values follow, of this shape
  bool store_positions = false;  // else they follow from the configuration and the seed
  bool store_basis = true;       // else the file holds a probe of it instead
  bool gate = false;
  bool values_follow = false;    // an empty adapter: frozen tensors are filled in later
  std::optional<SvftForm> form;  // instead of the cheapest one
  std::optional<bool> whole;     // see basis_error(); unset: found out at the first refresh
  // Of a basis that is not stored:
  at::Tensor exact_Uh, exact_Vh;  // see SvftRecomputed
  // The basis of the weight as bf16 has it, for values of a run that computed in bf16; or empty.
  std::function<SvftRecomputed(const BaseWeight& base)> of_bf16;
  bool old_file = false;      // values come from a file of format 1
  at::Tensor seed_positions;  // what positions in such a file must be; may be undefined
};

// ‖W - U Σ Vᵀ‖ / ‖W‖ (Frobenius), estimated on a few vectors: 1e-6 for factors in fp32, 2.4e-3 for
// two that are stored in bf16, of which the rounding of a bf16 checkpoint itself is 1.7e-3.
double basis_error(const SvftBasis& basis, const BaseWeight& base);
// Whether the factors may stand for W: they err by rounding only. What that does to the loss is
// for start_exactly() to mend.
bool stands_for(const SvftBasis& basis, const BaseWeight& base);

class SvftAdapter final : public Adapter {
 public:
  explicit SvftAdapter(SvftSetup setup);

  void begin_micro_batch(bool training, std::uint64_t) override { training_ = training; }
  at::Tensor forward(const at::Tensor& x, const BaseWeight& base) override;
  at::Tensor merged_weight(const BaseWeight& base) const override;
  std::vector<Trainable> trainables() override;
  // For a truncated basis: rank-n factors U M and Vᵀ.
  std::optional<LowRankDelta> low_rank_delta() const override;
  // svft_U [out, n], svft_V [in, n], svft_S [n] or svft_probe [16]; svft_positions [2, k].
  std::vector<NamedTensor> frozen_state() const override;
  AdapterMemory memory(std::int64_t tokens) const override;
  // Throws ModelError naming the layer when loaded positions are impossible or a recomputed
  // basis is not the one that the loaded values belong to.
  void refresh(const BaseWeight& base) override;

  // From here on W stays in the product, which starts at it exactly; false where it did already.
  bool keep_base();

  std::int64_t count() const { return M_.size(0); }

 private:
  void finish_loading(const BaseWeight& base);
  void load_positions();
  void check_basis(const BaseWeight& base);
  void drop_exact_basis();
  void remake_values();
  SvftForm form_for(std::int64_t tokens, bool training) const;
  SvftFactors factors() const;

  SvftSetup setup_;
  bool training_ = false;
  at::Tensor M_, gate_;  // leaves: [k], [1] or undefined
  // [16] fp32 ([out] of an old file), as the file has it and of the basis here; undefined when the
  // basis itself is stored.
  at::Tensor probe_, own_probe_;
  at::Tensor values_;  // M with the gate, detached
  at::Tensor dense_;   // see SvftForm::kDense; dropped when M changes
  std::shared_ptr<const SparsePattern> pattern_;
};

}  // namespace svtune
