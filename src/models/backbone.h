// Tokens or images in, hidden states out: the embedding and the blocks.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "models/block.h"
#include "models/image_embedding.h"
#include "nn/batch.h"

namespace svtune {

// Of which blocks backward keeps the input only and runs them again; of the others it keeps all
// that gradients need. They are the first ones, because backward comes to them when what the later
// ones kept is gone: the block that lives again takes no memory on top of the largest need.
struct RecomputePlan {
  std::int64_t blocks = 0;  // the first so many of those that backward goes through

  static constexpr RecomputePlan all() { return {std::numeric_limits<std::int64_t>::max()}; }
};

// DeBERTa V2's: what the embedded tokens add to the first block's output.
struct InputConvolution {
  Convolution convolution = {};
  Norm norm = {};
  bool gelu = false;  // else tanh

  // norm(y + act(convolution(x))); x [N, hidden] the embedded tokens, y [N, hidden] the output.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& y, const Pass& pass) const;
  Kept kept() const;
  // What the forward pass holds on top while it runs; none of it is left for backward.
  Kept passing() const;
  void parts(PartVisitor& visit);
};

struct Backbone {
  std::optional<ImageEmbedding> images = {};  // in place of all tables of an image model
  Embedding embedding = {};
  double embedding_scale = 1.0;       // rounded to the weights' dtype before use
  Embedding position_embedding = {};  // learned, added; row first_position is the first token's
  std::int64_t first_position = 0;
  Embedding type_embedding = {};  // of Batch::token_types, added
  Norm embedding_norm = {};       // of the sum, or of images' rows
  std::vector<Block> blocks;
  Norm final_norm;           // may be none, as the head of an image model may read rows before it
  double final_scale = 1.0;  // of the normed rows
  std::optional<PlainModule> rotary_module = {};
  std::vector<RopeSpec> rotations = {};  // Attention::rotation chooses among them
  RelativePositions relative = {};
  InputConvolution input_convolution = {};

  // Hidden states [N, hidden] before the final norm, in `dtype`. With a cache, document s
  // continues sequence s of the cache, and batch.positions must go on from its length. Throws
  // ModelError for documents longer than the learned positions, for types without a row, and as
  // ImageEmbedding::forward does.
  at::Tensor forward(const Batch& batch, at::ScalarType dtype, KvCache* cache,
                     RecomputePlan recompute, const PassDropout& dropout);
  // Tokens of the longest document that forward() takes; nullopt where positions have no table.
  std::optional<std::int64_t> longest_document() const;
  // The rows that the head reads of hidden states [M, hidden].
  at::Tensor finish(const at::Tensor& hidden) const;
  void parts(PartVisitor& visit);

 private:
  at::Tensor embed(const Batch& batch, at::ScalarType dtype) const;
};

}  // namespace svtune
