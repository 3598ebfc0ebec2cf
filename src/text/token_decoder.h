// Decoders of tokenizer.json: the strings of tokens back to text. Each step maps a list of
// strings to a list; the text is their concatenation.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "text/json_part.h"

namespace svtune {

// Immutable and thread-safe.
class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual void apply(std::vector<std::string>& tokens) const = 0;
};

// From the "decoder" object. Throws FileError naming an unknown type or a wrong value.
std::unique_ptr<Decoder> make_decoder(const JsonPart& part);

// Bytes in GPT-2's notation; bytes that are not UTF-8 become U+FFFD.
std::unique_ptr<Decoder> make_byte_level_decoder();
// U+2581 to a space, <0xXX> to bytes, all joined; strip_first removes one leading space.
std::unique_ptr<Decoder> make_sentencepiece_decoder(bool strip_first);

// Tokens with `prefix` go on a word; `cleanup` takes English spaces from before punctuation.
std::unique_ptr<Decoder> make_wordpiece_decoder(std::string prefix, bool cleanup);

}  // namespace svtune
