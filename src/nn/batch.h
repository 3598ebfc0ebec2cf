// One row of tokens that holds several documents back to back; no padding anywhere.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "data/batch_stream.h"

namespace svtune {

// N tokens, S documents, M supervised positions.
struct Batch {
  at::Tensor tokens;                  // [N] int64, all documents one after another
  at::Tensor positions;               // [N] int64, restart at 0 in each document
  std::vector<std::int32_t> offsets;  // [S+1]; document s is offsets[s] .. offsets[s+1]
  at::Tensor supervised;              // [M] int64, indices of tokens that have a target
  at::Tensor targets;                 // [M] int64, the next token of each supervised index

  std::int64_t num_tokens() const { return tokens.size(0); }
  std::int64_t num_supervised() const { return supervised.defined() ? supervised.size(0) : 0; }
};

// The packed documents as tensors.
Batch to_batch(const PackedBatch& packed);

}  // namespace svtune
