// Turns the matches of a pattern into pieces according to a SplitBehavior.
#pragma once

#include <string_view>
#include <vector>

#include "text/pre_tokenizer.h"

namespace svtune {

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
