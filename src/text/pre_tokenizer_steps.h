// The single steps that pre-tokenisers are made of.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "text/regex.h"
#include "text/split_pieces.h"
#include "text/split_scanner.h"

namespace svtune {

// Immutable and thread-safe.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Hands the parts of `piece` to `sink` in order. Requires: piece.text is not empty.
  virtual void split(Piece piece, PieceSink sink) const = 0;
};

using Step = std::unique_ptr<PreTokenizer>;
using CharacterTest = bool (*)(std::uint32_t);

// Pieces of a known pattern, which covers every text.
Step make_scanner_step(SplitPattern pattern);
// `invert` exchanges matches and the text between them.
Step make_regex_step(Regex regex, SplitBehavior behavior, bool invert);
Step make_character_step(CharacterTest test, SplitBehavior behavior);
// Cuts at a character and removes it.
Step make_delimiter_step(std::uint32_t delimiter);
// Runs of word characters and runs of others, without white space.
Step make_whitespace_step();

// BERT's: cuts at white space, which it removes, and on both sides of punctuation.
Step make_bert_step();

enum class PrependScheme { kFirst, kAlways, kNever };
// Spaces to `replacement`, one in front unless the piece starts with it; `split` cuts in front
// of every replacement.
Step make_metaspace_step(std::string replacement, PrependScheme scheme, bool split);

// The parts of ByteLevel that cut: a space in front, and GPT-2's pattern.
Step make_byte_level_step(bool add_prefix_space, bool use_regex);
// The part of ByteLevel that rewrites, needed only when other steps follow.
Step make_byte_notation_step();

enum class PrefixScope { kTextStart, kEverySection };
Step make_prefix_step(std::string prefix, PrefixScope scope);

}  // namespace svtune
