// What all blocks of one forward pass share.
#pragma once

#include <cstdint>
#include <vector>

#include "models/rope.h"
#include "nn/kv_cache.h"

namespace svtune {

struct Pass {
  std::vector<std::int32_t> offsets;  // [S+1]; document s is rows offsets[s] .. offsets[s+1]
  RopeTables rope;
  KvCache* cache = nullptr;  // of a generation; documents go on from what it holds
};

}  // namespace svtune
