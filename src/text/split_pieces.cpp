#include "text/split_pieces.h"

#include <algorithm>
#include <utility>

#include "text/utf8.h"

namespace svtune {
namespace {

// Neighbours that both match, or both do not, become one.
void join_equal(std::vector<Span>& spans) {
  std::vector<Span> out;
  for (const Span& span : spans) {
    if (!out.empty() && out.back().is_match == span.is_match) {
      out.back().end = span.end;
    } else {
      out.push_back(span);
    }
  }
  spans = std::move(out);
}

// A match joins the span before it, unless that one is a match too.
void join_with_previous(std::vector<Span>& spans) {
  std::vector<Span> out;
  bool previous_match = false;
  for (const Span& span : spans) {
    if (span.is_match && !previous_match && !out.empty()) {
      out.back().end = span.end;
    } else {
      out.push_back(span);
    }
    previous_match = span.is_match;
  }
  spans = std::move(out);
}

void join_with_next(std::vector<Span>& spans) {
  std::vector<Span> out;
  bool previous_match = false;
  for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
    if (span->is_match && !previous_match && !out.empty()) {
      out.back().begin = span->begin;
    } else {
      out.push_back(*span);
    }
    previous_match = span->is_match;
  }
  std::ranges::reverse(out);
  spans = std::move(out);
}

}  // namespace

void emit_spans(Piece piece, SplitBehavior behavior, std::vector<Span> spans, PieceSink sink) {
  if (behavior == SplitBehavior::kContiguous) join_equal(spans);
  if (behavior == SplitBehavior::kMergedWithPrevious) join_with_previous(spans);
  if (behavior == SplitBehavior::kMergedWithNext) join_with_next(spans);
  for (const Span& span : spans) {
    const bool removed = behavior == SplitBehavior::kRemoved && span.is_match;
    if (removed || span.begin == span.end) continue;
    sink({piece.text.substr(span.begin, span.end - span.begin),
          piece.at_text_start && span.begin == 0});
  }
}

void split_by_character(Piece piece, SplitBehavior behavior,
                        FunctionRef<bool(std::uint32_t)> is_match, PieceSink sink) {
  std::vector<Span> spans;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < piece.text.size();) {
    const std::size_t end = at + utf8_length(piece.text[at]);
    if (is_match(utf8_at(piece.text, at))) {
      if (begin < at) spans.push_back({begin, at, false});
      spans.push_back({at, end, true});
      begin = end;
    }
    at = end;
  }
  if (begin < piece.text.size()) spans.push_back({begin, piece.text.size(), false});
  emit_spans(piece, behavior, std::move(spans), sink);
}

}  // namespace svtune
