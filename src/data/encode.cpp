#include "data/encode.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/errors.h"
#include "text/post_processor.h"

namespace svtune {
namespace {

// Index of the last part that is learned; 0 when none is.
std::size_t last_supervised(const PromptText& text) {
  std::size_t last = 0;
  for (std::size_t i = 0; i < text.parts.size(); ++i) {
    if (text.parts[i].supervised) last = i;
  }
  return last;
}

bool has_prefix(const std::vector<std::int32_t>& ids, const std::vector<std::int32_t>& start) {
  return ids.size() >= start.size() && std::equal(start.begin(), start.end(), ids.begin());
}

}  // namespace

ExampleEncoder::ExampleEncoder(Tokenizer tokenizer, PromptTemplate prompt, EncodeOptions options)
    : tokenizer_(std::move(tokenizer)), prompt_(std::move(prompt)), options_(options) {
  if (options_.train_on_prompt && options_.mask_history) {
    throw UsageError("--train-on-prompt learns the turns that --mask-history leaves out",
                     "Leave out one of the two.");
  }
  const SpecialFrame& frame = tokenizer_.frame();
  const auto special = static_cast<std::int64_t>(frame.prefix.size() + frame.suffix.size());
  if (options_.framed && options_.max_length <= special) {
    throw UsageError("--max-length " + std::to_string(options_.max_length) +
                         " leaves no room for a text beside " + std::to_string(special) +
                         " special tokens",
                     "Raise it.");
  }
  const std::vector<std::int32_t> newline = tokenizer_.encode("\n", false);
  std::vector<std::int32_t> apart = newline;
  const std::vector<std::int32_t> letter = tokenizer_.encode("x", false);
  apart.insert(apart.end(), letter.begin(), letter.end());
  if (tokenizer_.encode("\nx", false) != apart) anchor_ = newline;
}

std::vector<std::int32_t> ExampleEncoder::encode_continuation(const std::string& text) const {
  if (!anchor_.empty()) {
    std::vector<std::int32_t> ids = tokenizer_.encode("\n" + text, false);
    if (ids.size() >= anchor_.size() && std::equal(anchor_.begin(), anchor_.end(), ids.begin())) {
      ids.erase(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(anchor_.size()));
      return ids;
    }
  }
  return tokenizer_.encode(text, false);
}

TokenizedExample ExampleEncoder::tokens_of(const PromptText& text) const {
  TokenizedExample out;
  out.folded_system = text.folded_system;
  out.lost_messages = text.lost_messages;
  out.cut_answers = text.cut_answers;
  const auto append = [&](const std::vector<std::int32_t>& ids, bool supervised,
                          bool muted = false) {
    out.ids.insert(out.ids.end(), ids.begin(), ids.end());
    out.supervised.resize(out.ids.size(), supervised || (options_.train_on_prompt && !muted));
  };
  const std::size_t first = options_.mask_history ? last_supervised(text) : 0;
  // Only what stands before the text: an end token is added below, once and supervised. Data that
  // were written with these tokens get no second ones.
  const std::vector<std::int32_t>& prefix = tokenizer_.frame().prefix;
  for (std::size_t i = 0; i < text.parts.size(); ++i) {
    const PromptPart& part = text.parts[i];
    const std::vector<std::int32_t> ids =
        i == 0 ? tokenizer_.encode(part.text, false) : encode_continuation(part.text);
    if (i == 0 && text.add_frame && !has_prefix(ids, prefix)) append(prefix, false);
    append(ids, part.supervised && i >= first, part.muted);
  }
  const std::optional<std::int32_t> eos = tokenizer_.eos_id();
  const bool has_end = !out.ids.empty() && out.ids.back() == eos && out.supervised.back();
  if (text.add_end && eos && !has_end) append({*eos}, true);
  return out;
}

void ExampleEncoder::truncate(TokenizedExample& example) const {
  const auto limit = static_cast<std::size_t>(options_.max_length);
  if (example.ids.size() <= limit) return;
  example.ids.resize(limit);
  example.supervised.resize(limit);
  example.truncated = true;
}

std::vector<TokenizedExample> ExampleEncoder::framed_pieces(const Example& example) const {
  if (example.kind != ExampleKind::kText) {
    throw UsageError("hidden words are learned of plain texts, the data hold prompts and answers",
                     "Give texts, or name their column: --format text --columns text=COLUMN.");
  }
  const SpecialFrame& frame = tokenizer_.frame();
  const std::vector<std::int32_t> ids = tokenizer_.encode(example.completion, false);
  const std::size_t limit = static_cast<std::size_t>(options_.max_length);
  const std::size_t room = limit - frame.prefix.size() - frame.suffix.size();
  std::vector<TokenizedExample> pieces;
  for (std::size_t begin = 0; begin == 0 || begin < ids.size(); begin += room) {
    const std::size_t end = std::min(ids.size(), begin + room);
    TokenizedExample piece;
    piece.ids = frame.prefix;
    piece.supervised.resize(piece.ids.size(), false);
    for (std::size_t i = begin; i < end; ++i) {
      piece.ids.push_back(ids[i]);
      piece.supervised.push_back(!tokenizer_.is_special(ids[i]));
    }
    piece.ids.insert(piece.ids.end(), frame.suffix.begin(), frame.suffix.end());
    piece.supervised.resize(piece.ids.size(), false);
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

TokenizedExample ExampleEncoder::encode(const Example& example) const {
  if (options_.framed) {
    std::vector<TokenizedExample> pieces = framed_pieces(example);
    pieces.front().truncated = pieces.size() > 1;
    return std::move(pieces.front());
  }
  TokenizedExample out = tokens_of(prompt_.whole(example));
  truncate(out);
  return out;
}

std::vector<TokenizedExample> ExampleEncoder::encode_blocks(const Example& example) const {
  if (options_.framed) return framed_pieces(example);
  if (example.kind != ExampleKind::kText) return {encode(example)};
  const TokenizedExample all = tokens_of(prompt_.whole(example));
  const auto limit = static_cast<std::ptrdiff_t>(options_.max_length);
  const auto size = static_cast<std::ptrdiff_t>(all.ids.size());
  std::vector<TokenizedExample> blocks;
  for (std::ptrdiff_t begin = 0; begin == 0 || begin + 1 < size; begin += limit - 1) {
    const std::ptrdiff_t end = std::min(size, begin + limit);
    TokenizedExample block;
    block.ids.assign(all.ids.begin() + begin, all.ids.begin() + end);
    block.supervised.assign(all.supervised.begin() + begin, all.supervised.begin() + end);
    blocks.push_back(std::move(block));
  }
  return blocks;
}

std::vector<std::int32_t> ExampleEncoder::encode_prompt(const Example& example) const {
  return prompt_of(example).ids;
}

TokenizedExample ExampleEncoder::prompt_of(const Example& example) const {
  return tokens_of(prompt_.prompt(example));
}

}  // namespace svtune
