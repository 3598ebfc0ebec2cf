// One row of tokens that holds several documents back to back; no padding anywhere.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "data/batch_stream.h"

namespace svtune {

// N tokens, S documents, M supervised tokens. Either tokens or documents are supervised:
//
//   a language model          targets = the next token of each supervised one
//   a masked language model   targets = what stood at the places of supervised tokens; `masked`
//   labels of tokens          targets = their classes
//   a class of each document  document_targets = [S] int64
//   a number for each         document_targets = [S] fp32
//
// A loss is a sum over what is supervised. The training loop adds up these sums and
// num_supervised() over the micro-batches of a step and divides: the mean that transformers' heads
// take of a batch (cross entropy, or squared error).
struct Batch {
  at::Tensor tokens;                  // [N] int64, all documents one after another
  at::Tensor positions;               // [N] int64, restart at 0 in each document
  std::vector<std::int32_t> offsets;  // [S+1]; document s is offsets[s] .. offsets[s+1]
  at::Tensor supervised = {};         // [M] int64, indices of tokens that have a target
  at::Tensor targets = {};            // [M] int64, of each supervised index
  at::Tensor token_types = {};        // [N] int64, which text of a pair; undefined: all 0
  at::Tensor document_targets = {};   // [S]; undefined where tokens are supervised
  // [S, 3, height, width] fp32, one of each document, whose tokens only count its rows; undefined:
  // text.
  at::Tensor images = {};
  // [S], the adapter of each document (nn/row_route.h); empty: all go through the first one.
  std::vector<std::int32_t> adapters = {};
  bool masked = false;  // words are hidden and to be found; else the next ones are, or labels

  std::int64_t num_tokens() const { return tokens.size(0); }
  std::int64_t num_documents() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
  // Documents where these are supervised, else tokens.
  std::int64_t num_supervised() const {
    if (document_targets.defined()) return document_targets.size(0);
    return supervised.defined() ? supervised.size(0) : 0;
  }
};

// The packed documents as tensors. Throws ModelError for pixels that are not one image of each
// document.
Batch to_batch(const PackedBatch& packed);

}  // namespace svtune
