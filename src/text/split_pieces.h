// Pieces of a text, and how the matches of a pattern cut a text into them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/function_ref.h"

namespace svtune {

struct Piece {
  std::string_view text;       // never empty
  bool at_text_start = false;  // begins where the whole input begins
};
// The text of a piece lives only as long as the call.
using PieceSink = FunctionRef<void(Piece)>;

// What happens to the matches of a Split pattern.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

struct Span {
  std::size_t begin;
  std::size_t end;
  bool is_match;
};

// `spans` cover `piece.text` from left to right. Empty pieces are not handed on.
void emit_spans(Piece piece, SplitBehavior behavior, std::vector<Span> spans, PieceSink sink);

// Splits at every character for which `is_match` holds.
void split_by_character(Piece piece, SplitBehavior behavior,
                        FunctionRef<bool(std::uint32_t)> is_match, PieceSink sink);

}  // namespace svtune
