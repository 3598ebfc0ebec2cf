// Attention of one document by LibTorch's fused operator, in fp32: scores stay in the
// caches. It knows no window and no soft cap.
#pragma once

#include <ATen/core/Tensor.h>

namespace svtune {

struct FusedAttention {
  at::Tensor output;   // [T, H, D] fp32
  at::Tensor log_sum;  // [T, H] fp32: log of the softmax denominator
};

// q [T, H, D], k and v [T, G, D] in fp32 or narrower, rows of D contiguous, G dividing H; `scale`
// multiplies q·k; where `causal`, a query sees no later key. Narrower inputs are widened: with AMX
// the operator's own bf16 form is no faster on documents of some hundred tokens, and a fifth faster
// only beyond that.
FusedAttention fused_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                               double scale, bool causal);

struct FusedAttentionGrads {
  at::Tensor query, key, value;  // fp32, shapes of the inputs
};

// The gradients for `grad` [T, H, D], from what fused_attention() gave.
FusedAttentionGrads fused_attention_backward(const at::Tensor& q, const at::Tensor& k,
                                             const at::Tensor& v, const FusedAttention& saved,
                                             const at::Tensor& grad, double scale, bool causal);

}  // namespace svtune
