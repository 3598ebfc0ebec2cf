// What all blocks of one forward pass share.
#pragma once

#include <cstdint>
#include <vector>

#include "models/model_dropout.h"
#include "models/rope.h"
#include "nn/embedding.h"
#include "nn/kv_cache.h"
#include "nn/norm.h"

namespace svtune {

// Vectors of the distances between two tokens, [2 * span, hidden]; blocks project them.
struct RelativePositions {
  Embedding table = {};
  Norm norm = {};

  at::Tensor forward(at::ScalarType dtype) const { return norm.forward(table.weight().to(dtype)); }
};

struct Pass {
  std::vector<std::int32_t> offsets;  // [S+1]; document s is rows offsets[s] .. offsets[s+1]
  std::vector<RopeTables> rotations;  // Attention::rotation chooses among them
  KvCache* cache = nullptr;           // of a generation; documents go on from what it holds
  const RelativePositions* relative = nullptr;  // outlives backward
  PassDropout dropout = {};
};

}  // namespace svtune
