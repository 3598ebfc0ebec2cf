// Decoding while tokens arrive: text is handed out as soon as it cannot change any more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace svtune {

class StreamDecoder {
 public:
  explicit StreamDecoder(Tokenizer tokenizer, bool skip_special_tokens = true);

  // The text that this token completes; "" while a character is unfinished.
  std::string push(std::int32_t id);
  // The rest; an unfinished character becomes U+FFFD. The decoder can then be used again.
  std::string finish();

 private:
  std::string advance(bool hold_unfinished);

  Tokenizer tokenizer_;
  bool skip_special_tokens_;
  // The tokens of the last text handed out, then those still held back. The former give the
  // latter their context: decoders treat the first token of a text differently.
  std::vector<std::int32_t> window_;
  std::size_t printed_tokens_ = 0;
};

}  // namespace svtune
