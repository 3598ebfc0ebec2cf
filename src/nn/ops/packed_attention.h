// Self-attention over packed documents, causal or in both directions, tiled over query blocks so
// that memory is linear in the length; grouped key/value heads, sliding window, score soft-capping.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "nn/ops/dropout.h"

namespace svtune {

struct AttentionSpec {
  double scale = 1.0;       // multiplies q·k
  double softcap = 0.0;     // scores become cap * tanh(score / cap); 0 = off
  std::int64_t window = 0;  // query i sees keys j with i - window < j; 0 = no limit
  bool causal = true;       // and j <= i; otherwise j < i + window
};

// q [N, H, D], k and v [N, G, D] with G dividing H (head h uses key head h / (H/G)).
// offsets [S+1]: document s is rows offsets[s] .. offsets[s+1]; attention never crosses.
// Returns [N, H, D]. Arithmetic in fp32 (fp64 for fp64). Saves q, k, v, the output and one
// fp32 per row and head. `dropout` is of the softmax's weights; its masks are drawn tile by tile,
// in backward again, and the fused operator, which has none, is not used then.
at::Tensor attention_packed(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const std::vector<std::int32_t>& offsets, const AttentionSpec& spec,
                            const Dropout& dropout = {});

// One document's new rows against stored keys and values (generation, no gradient):
// q [T, H, D], k and v [past + T, G, D]; query t stands at position past + t.
at::Tensor attention_cached(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            std::int64_t past, const AttentionSpec& spec);

// The same for one document without tiles or custom gradient: the oracle in tests.
// `past` keys precede the queries (generation): k, v have past + N rows.
at::Tensor attention_reference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                               std::int64_t past, const AttentionSpec& spec);

}  // namespace svtune
