#include "text/stream_decoder.h"

#include <span>
#include <utility>

namespace svtune {
namespace {

// A character has at most four bytes, so more tokens than this are not one unfinished character.
constexpr std::size_t kMaxHeldTokens = 8;
constexpr const char* kReplacementCharacter = "\xEF\xBF\xBD";

}  // namespace

StreamDecoder::StreamDecoder(Tokenizer tokenizer, bool skip_special_tokens)
    : tokenizer_(std::move(tokenizer)), skip_special_tokens_(skip_special_tokens) {}

std::string StreamDecoder::push(std::int32_t id) {
  window_.push_back(id);
  return advance(window_.size() - printed_tokens_ < kMaxHeldTokens);
}

std::string StreamDecoder::finish() {
  std::string rest = advance(false);
  window_.clear();
  printed_tokens_ = 0;
  return rest;
}

std::string StreamDecoder::advance(bool hold_unfinished) {
  const std::span<const std::int32_t> all(window_);
  const std::string printed = tokenizer_.decode(all.first(printed_tokens_), skip_special_tokens_);
  std::string text = tokenizer_.decode(all, skip_special_tokens_);
  if (text.size() <= printed.size()) return {};
  if (hold_unfinished && text.ends_with(kReplacementCharacter)) return {};
  // An invalid byte can change how the bytes before it are shown; those are printed already.
  const bool grows = text.starts_with(printed);
  text = grows ? text.substr(printed.size())
               : tokenizer_.decode(all.subspan(printed_tokens_), skip_special_tokens_);
  window_.erase(window_.begin(), window_.begin() + static_cast<std::ptrdiff_t>(printed_tokens_));
  printed_tokens_ = window_.size();
  return text;
}

}  // namespace svtune
