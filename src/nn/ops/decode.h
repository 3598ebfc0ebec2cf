// Attention of a generation step: every sequence has one new token.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "nn/kv_cache.h"
#include "nn/ops/packed_attention.h"

namespace svtune {

// q [S, H, D]; stored[s] holds the keys and values of sequence s including the new token's.
// Returns [S, H, D]. No gradient.
at::Tensor attention_decode(const at::Tensor& q, const std::vector<KvCache::View>& stored,
                            const AttentionSpec& spec);

}  // namespace svtune
