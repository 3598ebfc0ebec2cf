// Disentangled self-attention over packed documents: scores see the distance between two tokens
// apart from their contents. Source: DeBERTa, arXiv 2006.03654, section 3.1, equation 4; log
// buckets of DeBERTaV3's code, as in transformers' modeling_deberta_v2.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "nn/ops/dropout.h"

namespace svtune {

struct DisentangledSpec {
  std::int64_t max_distance = 512;  // tokens
  std::int64_t buckets = 256;       // of distances in one direction; 0: each has its own

  // Rows of the position table for one direction.
  std::int64_t span() const { return buckets > 0 ? buckets : max_distance; }
};

// Rows of the position table for distances i - j, [n] int64 -> [n] int64 in [0, 2 * span): small
// distances have their own, larger ones share rows by their logarithm, all beyond the last one.
at::Tensor position_rows(const at::Tensor& distances, const DisentangledSpec& spec);

struct DisentangledInputs {
  at::Tensor query, key, value;             // [N, H, D]
  at::Tensor position_query, position_key;  // [2 * span, H, D], of the position table
};

// With r = position_rows(i - j), query i sees key j by
//   (q_i · k_j + q_i · position_key_r + k_j · position_query_r) / sqrt(3 D).
// offsets [S+1]: document s is rows offsets[s] .. offsets[s+1]; attention never crosses. Returns
// [N, H, D]. Arithmetic in fp32 (fp64 for fp64), tiled over query blocks; beside a tile one
// document's [H, T, 2 * span] is alive. Saves the inputs, the output and one fp32 per row and head.
// `dropout` is of the softmax's weights, as attention_packed() has it.
at::Tensor disentangled_attention(const DisentangledInputs& inputs,
                                  const std::vector<std::int32_t>& offsets,
                                  const DisentangledSpec& spec, const Dropout& dropout = {});

// One document without tiles or custom gradient: the oracle in tests.
at::Tensor disentangled_reference(const DisentangledInputs& inputs, const DisentangledSpec& spec);

}  // namespace svtune
