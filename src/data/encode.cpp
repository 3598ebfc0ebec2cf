#include "data/encode.h"

#include <algorithm>
#include <utility>

#include "text/post_processor.h"

namespace svtune {

ExampleEncoder::ExampleEncoder(Tokenizer tokenizer, PromptTemplate prompt, EncodeOptions options)
    : tokenizer_(std::move(tokenizer)), prompt_(std::move(prompt)), options_(options) {
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
  const auto append = [&](const std::vector<std::int32_t>& ids, bool supervised) {
    out.ids.insert(out.ids.end(), ids.begin(), ids.end());
    out.supervised.resize(out.ids.size(), supervised || options_.train_on_prompt);
  };
  // Only what stands before the text: an end token is added below, once and supervised.
  if (text.add_frame) append(tokenizer_.frame().prefix, false);
  for (std::size_t i = 0; i < text.parts.size(); ++i) {
    const PromptPart& part = text.parts[i];
    append(i == 0 ? tokenizer_.encode(part.text, false) : encode_continuation(part.text),
           part.supervised);
  }
  if (text.add_end && tokenizer_.eos_id()) append({*tokenizer_.eos_id()}, true);
  return out;
}

TokenizedExample ExampleEncoder::encode(const Example& example) const {
  TokenizedExample out = tokens_of(prompt_.whole(example));
  const auto limit = static_cast<std::size_t>(options_.max_length);
  if (out.ids.size() > limit) {
    out.ids.resize(limit);
    out.supervised.resize(limit);
    out.truncated = true;
  }
  return out;
}

std::vector<std::int32_t> ExampleEncoder::encode_prompt(const Example& example) const {
  return tokens_of(prompt_.prompt(example)).ids;
}

}  // namespace svtune
