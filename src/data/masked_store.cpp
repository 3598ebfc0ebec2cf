#include "data/masked_store.h"

#include <optional>
#include <utility>

namespace svtune {

MaskedStore::MaskedStore(std::shared_ptr<const ExampleStore> texts, TokenMasks masks)
    : texts_(std::move(texts)), masks_(masks) {}

void MaskedStore::append_in_pass(PackedBatch& batch, std::int64_t index, std::int64_t pass) const {
  if (const std::optional<TokenizedExample> example = texts_->get(index)) {
    masks_.append(batch, *example, index, pass);
  }
}

}  // namespace svtune
