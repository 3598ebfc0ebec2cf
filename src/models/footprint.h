// What the parts of a block say about the memory that training them takes.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/linear.h"

namespace svtune {

// What backward needs of a part's forward pass per token, whatever its linear layers keep.
struct Kept {
  std::int64_t elements = 0;  // of the compute dtype
  std::int64_t floats = 0;    // fp32
  std::int64_t once = 0;      // elements of the compute dtype, not per token but per pass

  Kept& operator+=(const Kept& other) {
    elements += other.elements;
    floats += other.floats;
    once += other.once;
    return *this;
  }
};

// Linear layers that read one tensor, which is kept once however many of them are adapted.
struct SharedInput {
  std::vector<const Linear*> layers;
  bool kept_anyway = false;    // by another part's backward
  double rows = 1;             // per token; below 1 where tokens are routed
  std::int64_t more_rows = 0;  // beside those of tokens
};

// Widths of a block's tensors, elements per token.
struct BlockWidths {
  std::int64_t hidden = 0;
  std::int64_t queries = 0;  // all heads together
  std::int64_t keys = 0;
  std::int64_t heads = 0;
  std::int64_t inner = 0;  // of the feed-forward part
};

}  // namespace svtune
