// What a tokenizer's model does: a word, as normaliser and pre-tokenisers leave it, to token ids.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace svtune {

// Immutable and thread-safe.
class TokenModel {
 public:
  virtual ~TokenModel() = default;
  // Appends the ids of a word: valid UTF-8, or any bytes where the model reads bytes. Throws Error
  // when the word needs the unknown token and the vocabulary does not have it.
  virtual void encode(std::string_view word, std::vector<std::int32_t>& out) const = 0;
  virtual const Vocabulary& vocabulary() const = 0;
};

}  // namespace svtune
