// What batches are made of: the documents of a data set by number, as tokens with what is to be
// learned of them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace svtune {

// Whole documents back to back, as the model takes them (nn/batch.h), without tensors. Either
// tokens or documents have targets.
struct PackedBatch {
  std::vector<std::int64_t> tokens;       // [N]
  std::vector<std::int64_t> positions;    // [N], restart at 0 in each document
  std::vector<std::int32_t> offsets{0};   // [S+1]
  std::vector<std::int64_t> supervised;   // [M], indices of tokens that have a target
  std::vector<std::int64_t> targets;      // [M], the next token of each, or with `masked` its own
  std::vector<std::int64_t> token_types;  // [N], which text of a pair; empty: all 0
  std::vector<std::int64_t> classes;      // [S], of each document; empty: none
  std::vector<float> numbers;             // [S], of each document; empty: none
  // [S, 3, image_height, image_width], preprocessed; empty: text. The tokens of an image are 0.
  std::vector<float> pixels;
  std::int32_t image_height = 0, image_width = 0;
  bool masked = false;  // tokens are hidden (data/token_masks.h)
};

class DocumentStore {
 public:
  virtual ~DocumentStore() = default;
  virtual std::int64_t size() const = 0;
  // Tokens of a document; 0 when nothing is left to learn from.
  virtual std::int64_t length(std::int64_t index) const = 0;
  // Appends the document; nothing when its length is 0.
  virtual void append_to(PackedBatch& batch, std::int64_t index) const = 0;
  // As it is in one pass over the data, counted from 0: for stores that change documents by chance.
  virtual void append_in_pass(PackedBatch& batch, std::int64_t index,
                              [[maybe_unused]] std::int64_t pass) const {
    append_to(batch, index);
  }
  virtual std::int64_t tokens() const = 0;  // of all documents
  // Hash of all records: tells whether a resumed run has the same data.
  virtual std::uint64_t fingerprint() const = 0;
  // Tells which documents will be asked for, in this order, so that they can be made ready. Changes
  // nothing of what append_to() gives. A stream of batches calls it once an epoch.
  virtual void expect([[maybe_unused]] std::span<const std::uint32_t> coming) const {}
};

}  // namespace svtune
