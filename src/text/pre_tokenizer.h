// Pre-tokenisers of tokenizer.json: they cut normalised text into the words that byte-pair
// encoding works on, and may rewrite them (spaces to U+2581, bytes to GPT-2's notation).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/function_ref.h"
#include "text/json_part.h"
#include "text/split_scanner.h"

namespace svtune {

struct Piece {
  std::string_view text;       // never empty
  bool at_text_start = false;  // begins where the whole input begins
};
// The text of a piece lives only as long as the call.
using PieceSink = FunctionRef<void(Piece)>;

// Immutable and thread-safe.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Hands the parts of `piece` to `sink` in order. Requires: piece.text is not empty.
  virtual void split(Piece piece, PieceSink sink) const = 0;
};

// What happens to the matches of a Split pattern.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

// The steps of a "pre_tokenizer" object. A ByteLevel step at the end does not rewrite bytes;
// `byte_level` tells the model to do so, which is cheaper.
struct PreTokenizerChain {
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  bool byte_level = false;

  void split(Piece piece, PieceSink sink) const { run(0, piece, sink); }

 private:
  void run(std::size_t step, Piece piece, PieceSink sink) const;
};

// Throws FileError naming an unknown type or a wrong value.
PreTokenizerChain make_pre_tokenizer(const JsonPart& part);

// The chains that loaders of other formats put together themselves.
// `prefix` in front of the text, or of every stretch between added tokens.
enum class PrefixScope { kTextStart, kEverySection };
PreTokenizerChain make_prefix_chain(std::string prefix, PrefixScope scope);
// Spaces to U+2581, and one in front of the text unless it starts with one; no cutting.
PreTokenizerChain make_metaspace_chain();
PreTokenizerChain make_byte_level_chain(SplitPattern pattern, bool add_prefix_space = false);

}  // namespace svtune
