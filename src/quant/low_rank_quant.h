// A weight as quantised matrix plus low-rank product, W ≈ deq(Q) + L·R: the starts of QLoRA,
// LoftQ and QPiSSA.
//
//   none    Q = q(W), no L·R
//   loftq   T times: Q = q(W - L R); L R = SVD_r(W - deq Q)        ends after a decomposition
//   qpissa  T times: L R = SVD_r(E); Q = q(W - L R); E = W - deq Q  ends after a quantisation
//
// With `refit` QPiSSA ends after a decomposition as well, and errors are measured there.
// Sources: LoftQ 2310.08659 algorithm 1; PiSSA 2404.02948 algorithm 1. Each round starts its
// decomposition from the subspace of the round before; with T > 1 the first starts at random.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "base/fields.h"
#include "quant/quantized_matrix.h"

namespace svtune {

// What stands beside the codes when training begins.
enum class QuantStart { kNone, kLoftq, kQpissa };
inline constexpr EnumName<QuantStart> kQuantStartNames[] = {
    {QuantStart::kNone, "none", "the codes alone, as the base of QLoRA"},
    {QuantStart::kLoftq, "loftq", "an adapter repairs what rounding takes away"},
    {QuantStart::kQpissa, "qpissa", "the principal part is an adapter, the rest is rounded"},
};
constexpr std::span<const EnumName<QuantStart>> enum_names(QuantStart) { return kQuantStartNames; }

struct LowRankQuantOptions {
  QuantStart start = QuantStart::kQpissa;
  std::int64_t rank = 16;
  std::int64_t iterations = 5;  // T >= 1
  QuantConfig quant;
  bool keep_best = true;   // return the round of smallest error, not the last; stop when a
                           // round no longer improves
  bool refit = true;       // decompose W - deq Q once more after the final quantisation
  bool warm_start = true;  // false: every round decomposes from scratch
  // Quantises W less L·R moved on by this much of its last change: rounds gain about twice as
  // much. Used with keep_best, since single rounds may then be worse; 0 switches it off.
  double momentum = 1.0;
  std::uint64_t seed = 0;
};

struct LowRankQuant {
  QuantizedMatrix quantized;
  at::Tensor up;               // L [out, r] fp32, U·sqrt(S); undefined for kNone
  at::Tensor down;             // R [r, in] fp32, sqrt(S)·Vᵀ
  std::vector<double> errors;  // ‖W - deq Q - L R‖ (Frobenius) after each round
  double error = 0;            // of what is returned
};

// `weight` [out, in] on the CPU, bf16, fp16, fp32 or fp64. Deterministic for a seed. Throws
// std::invalid_argument when the rank does not lie within 1 .. min(out, in), ModelError when an
// entry is not finite.
LowRankQuant quantize_with_low_rank(const at::Tensor& weight, const LowRankQuantOptions& options);

}  // namespace svtune
