// LoRA-One's preconditioner: before each step the gradient of A becomes (BᵀB + δI)⁻¹ ∂A and that of
// B becomes ∂B (AAᵀ + δI)⁻¹, both by the factors as they are, so that directions in which a factor
// is small move as fast as the others. AdamW's moments are of these gradients, which come clipped.
// Sources: LoRA-One 2502.01235, algorithm 1, after Riemannian preconditioned LoRA 2402.02347; δ is
// that of LoRA-One's code, which takes B's from the A of the new step.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "adapters/method.h"

namespace svtune {

class LoraPreconditioner final : public MethodState {
 public:
  explicit LoraPreconditioner(std::span<const LayerSite> sites);

  // The leaves of a layer, A [r, in] and B [out, r]. Safe for several layers at once.
  void join(const std::string& layer, const at::Tensor& A, const at::Tensor& B);

  void before_step() override;

 private:
  struct Layer {
    std::string name;
    at::Tensor A, B;
  };
  std::vector<Layer> layers_;
};

}  // namespace svtune
