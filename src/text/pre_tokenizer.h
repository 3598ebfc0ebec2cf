// Pre-tokenisers of tokenizer.json: they cut normalised text into the words that byte-pair
// encoding works on, and may rewrite them (spaces to U+2581, bytes to GPT-2's notation).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "text/json_part.h"
#include "text/pre_tokenizer_steps.h"
#include "text/split_pieces.h"

namespace svtune {

// The steps of a "pre_tokenizer" object. A ByteLevel step at the end does not rewrite bytes;
// `byte_level` tells the model to do so, which is cheaper.
struct PreTokenizerChain {
  std::vector<Step> steps;
  bool byte_level = false;

  void split(Piece piece, PieceSink sink) const { run(0, piece, sink); }
  // Rewrites bytes here, for models that do not.
  void write_byte_notation();

 private:
  void run(std::size_t step, Piece piece, PieceSink sink) const;
};

// Throws FileError naming an unknown type or a wrong value.
PreTokenizerChain make_pre_tokenizer(const JsonPart& part);

// The chains that loaders of other formats put together themselves.
// `prefix` in front of the text, or of every stretch between added tokens.
PreTokenizerChain make_prefix_chain(std::string prefix, PrefixScope scope);
// Spaces to U+2581, and one in front of the text unless it starts with one; no cutting.
PreTokenizerChain make_metaspace_chain();
// Cuts at white space, which it removes, and on both sides of punctuation.
PreTokenizerChain make_bert_chain();
PreTokenizerChain make_byte_level_chain(SplitPattern pattern, bool add_prefix_space = false);

}  // namespace svtune
