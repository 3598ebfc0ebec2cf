// Examples to token ids, with the loss on the answer only unless asked otherwise.
#pragma once

#include <cstdint>
#include <vector>

#include "base/fields.h"
#include "data/example.h"
#include "data/prompt_template.h"
#include "text/tokenizer.h"

namespace svtune {

struct EncodeOptions {
  std::int64_t max_length = 512;  // tokens; longer examples lose their end
  bool train_on_prompt = false;
  bool mask_history = false;  // learn the last of the assistant's turns only
  // Plain texts alone, in the tokenizer's form for one text ([CLS] ... [SEP]) without a prompt; all
  // but special tokens are supervised. Longer texts lose the end of what stands in the form.
  bool framed = false;
};

// The option --max-length of whatever has EncodeOptions::max_length.
template <class Number, class Visitor>
void visit_max_length(Number& value, Visitor& visit) {
  visit(value, {.name = "max_length",
                .help = "Longer examples are truncated",
                .unit = "tokens",
                .min = 2,
                .max = 1 << 24});
}

// Parts of a text are tokenised one by one and joined, so the border between prompt and answer
// is also a border between tokens, as it is when the model writes the answer. Parts after the
// first get no leading space from tokenizers that put one before a text (SentencePiece).
class ExampleEncoder {
 public:
  ExampleEncoder(Tokenizer tokenizer, PromptTemplate prompt, EncodeOptions options);

  TokenizedExample encode(const Example& example) const;
  // As encode(), but a plain text above max_length becomes several examples instead of losing
  // its end. Each starts with the last token of the one before, so that all are predicted; framed
  // ones share no token, and each has a form of its own.
  std::vector<TokenizedExample> encode_blocks(const Example& example) const;
  // The prompt alone, for generation; not truncated.
  TokenizedExample prompt_of(const Example& example) const;
  std::vector<std::int32_t> encode_prompt(const Example& example) const;
  const Tokenizer& tokenizer() const { return tokenizer_; }
  const PromptTemplate& prompt() const { return prompt_; }
  const EncodeOptions& options() const { return options_; }

 private:
  TokenizedExample tokens_of(const PromptText& text) const;
  // The pieces of a text in their forms; one at least.
  std::vector<TokenizedExample> framed_pieces(const Example& example) const;
  void truncate(TokenizedExample& example) const;
  std::vector<std::int32_t> encode_continuation(const std::string& text) const;

  Tokenizer tokenizer_;
  PromptTemplate prompt_;
  EncodeOptions options_;
  // Ids of a newline, when a text's ids depend on whether something stands before it.
  std::vector<std::int32_t> anchor_;
};

}  // namespace svtune
