// Plain texts with hidden tokens, others in each pass over them.
#pragma once

#include <cstdint>
#include <memory>

#include "data/example_store.h"
#include "data/token_masks.h"

namespace svtune {

class MaskedStore final : public DocumentStore {
 public:
  // Requires: the encoder of `texts` frames them (EncodeOptions::framed).
  MaskedStore(std::shared_ptr<const ExampleStore> texts, TokenMasks masks);

  std::int64_t size() const override { return texts_->size(); }
  std::int64_t length(std::int64_t index) const override { return texts_->length(index); }
  void append_to(PackedBatch& batch, std::int64_t index) const override {
    append_in_pass(batch, index, 0);
  }
  void append_in_pass(PackedBatch& batch, std::int64_t index, std::int64_t pass) const override;
  std::int64_t tokens() const override { return texts_->tokens(); }
  std::uint64_t fingerprint() const override { return texts_->fingerprint(); }

 private:
  std::shared_ptr<const ExampleStore> texts_;
  TokenMasks masks_;
};

}  // namespace svtune
