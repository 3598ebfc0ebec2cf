// Output head and cross-entropy in one operator, tiled over rows: logits exist for one tile
// at a time, and the gradients are made in the same pass.
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/token_rows.h"

namespace svtune {

struct HeadSpec {
  double logit_softcap = 0.0;  // logits become cap * tanh(logit / cap); 0 = off
};

// Sum over rows of -log softmax(hidden Wᵀ)[target] (fp32 scalar, fp64 for fp64).
// hidden [M, C], weight [V, C], targets [M] int64. Gradients go to hidden and, when it
// requires one, to weight (an fp32 weight is cast to hidden's dtype for the products). `rows`
// stand for those of W, which is frozen then, and get a gradient.
at::Tensor cross_entropy_tiled(const at::Tensor& hidden, const at::Tensor& weight,
                               const at::Tensor& targets, const HeadSpec& spec,
                               const TokenRows& rows = {});

// log softmax(logits)[target] per row, [M] fp32; no gradient.
at::Tensor target_log_probs(const at::Tensor& hidden, const at::Tensor& weight,
                            const at::Tensor& targets, const HeadSpec& spec,
                            const TokenRows& rows = {});

// Applies the soft cap to finished logits (differentiable).
at::Tensor cap_logits(const at::Tensor& logits, const HeadSpec& spec);

}  // namespace svtune
