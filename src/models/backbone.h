// Tokens in, hidden states out: the embedding and the blocks.
#pragma once

#include <cstdint>
#include <vector>

#include "models/block.h"
#include "nn/batch.h"

namespace svtune {

// What backward keeps of a block's forward pass.
enum class Recompute {
  kNone,  // everything the gradients need
  kFull,  // the block's input only; the block runs again in backward
};

struct Backbone {
  Embedding embedding;
  double embedding_scale = 1.0;  // rounded to the weights' dtype before use
  std::vector<Block> blocks;
  Norm final_norm;
  PlainModule rotary_module;
  RopeSpec rope;

  // Hidden states [N, hidden] before the final norm, in `dtype`. With a cache, document s
  // continues sequence s of the cache, and batch.positions must go on from its length.
  at::Tensor forward(const Batch& batch, at::ScalarType dtype, KvCache* cache, Recompute recompute);
  void parts(PartVisitor& visit);

 private:
  at::Tensor embed(const at::Tensor& tokens, at::ScalarType dtype) const;
};

}  // namespace svtune
