// The linear layer of SVFT, y = x (W + U M Vᵀ)ᵀ, in three equal forms of different cost
// (T tokens, n singular directions, in x out weights; multiply-adds forward and backward):
//
//   delta     x Wᵀ + ((x V) Mᵀ) Uᵀ        2T·in·out + 2T·n(in + out)    keeps Z = x V
//   factored  ((x V)(Σ + M)ᵀ) Uᵀ          2T·n(in + out)                keeps Z; W is not read
//   dense     x (W + U M Vᵀ)ᵀ, rebuilt    3T·in·out + 2n·in·out         keeps x
//             once per optimiser step
//
// The gradient of M is sampled at its positions; no form builds a dense update in a forward
// or backward pass. Source: SVFT 2405.19597 section 3, gradients derived by hand.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "adapters/svft/sparse_matrix.h"
#include "nn/base_weight.h"

namespace svtune {

enum class SvftForm { kDelta, kFactored, kDense };

// What the products use. "Sum type" is fp32, or fp64 when the compute dtype is fp64.
struct SvftFactors {
  BaseWeight Uh;      // [n, out] = Uᵀ
  BaseWeight Vh;      // [n, in] = Vᵀ
  at::Tensor sigma;   // [n] sum type; the factored form only
  at::Tensor values;  // [k] sum type: M on its positions, gate included
  at::Tensor dense;   // [out, in] W + U M Vᵀ; the dense form only
  std::shared_ptr<const SparsePattern> pattern;
};

// x [T, in] -> [T, out]. Gradients go to x, to the leaf `M` [k] and, when it is defined, to
// the leaf `gate` [1], with values = sigmoid(gate) · M.
at::Tensor svft_linear(const at::Tensor& x, const BaseWeight& base, SvftForm form,
                       const SvftFactors& factors, const at::Tensor& M, const at::Tensor& gate);

// U M Vᵀ [out, in] in the dtype of Uh.
at::Tensor svft_delta(const SvftFactors& factors);

struct SvftShape {
  std::int64_t tokens, n, out, in;
};

// The cheapest form. `whole` says that U Σ Vᵀ reproduces W to rounding, which the factored
// form needs; `dense_ready` that the dense form was built already. A bf16 base never takes the
// dense form, since W + U M Vᵀ rounded to bf16 would swallow small updates; in the factored form
// Σ + M stays in fp32.
SvftForm cheapest_form(const SvftShape& shape, at::ScalarType dtype, bool training, bool whole,
                       bool dense_ready);

}  // namespace svtune
