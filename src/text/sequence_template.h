// What a model reads around one or two texts: special tokens and the type of every token (BERT's
// segments), with the cut to a largest length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace svtune {

struct SequencePart {
  enum class Kind { kTokens, kFirst, kSecond } kind = Kind::kTokens;
  std::vector<std::int32_t> ids;  // of kTokens
  std::int32_t type = 0;          // of all its tokens

  bool operator==(const SequencePart&) const = default;
};

using SequenceTemplate = std::vector<SequencePart>;

struct SequenceTemplates {
  SequenceTemplate single;  // kFirst once
  SequenceTemplate pair;    // kFirst and kSecond once; empty: the tokenizer has no form for pairs

  bool operator==(const SequenceTemplates&) const = default;
};

struct TypedTokens {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> types;  // as many
  bool cut = false;                 // the texts did not fit
};

struct PairLengths {
  std::size_t first;
  std::size_t second;

  bool operator==(const PairLengths&) const = default;
};

// How much of two texts stays so that both fit into `room` tokens: the longer one is cut to the
// shorter, then both to halves ("longest_first" of `tokenizers`).
PairLengths cut_longest_first(PairLengths lengths, std::size_t room);

// Number of special tokens.
std::size_t added_tokens(const SequenceTemplate& form);

// The tokens of the texts, cut from their ends, in their form. `second` may be null where the form
// does not use it. Throws UsageError for texts to cut where `max_length` is that of the special
// tokens or less.
TypedTokens fill_template(const SequenceTemplate& form, std::vector<std::int32_t> first,
                          std::vector<std::int32_t>* second, std::size_t max_length);

}  // namespace svtune
