// Byte-pair encoding of one word (Sennrich et al. 2016) with the options of tokenizer.json:
// initial symbols are characters, or bytes in GPT-2's notation; characters that are not in the
// vocabulary become <0xXX> byte tokens, the unknown token, or nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/bpe_merges.h"
#include "text/byte_tokens.h"
#include "text/token_model.h"
#include "text/vocabulary.h"

namespace svtune {

struct BpeOptions {
  bool byte_level = false;     // words are raw bytes, the vocabulary is in GPT-2's notation
  bool byte_fallback = false;  // unknown character: its bytes, if all have a token
  bool fuse_unk = false;       // a run of unknown characters is one unknown token
  bool ignore_merges = false;  // a word that is a token stays whole
  std::string unk_token;       // empty: unknown characters are dropped
};

class BpeModel final : public TokenModel {
 public:
  BpeModel(Vocabulary vocabulary, MergeTable merges, BpeOptions options);

  // Appends the ids of a word (valid UTF-8, or any bytes with byte_level). Throws Error when
  // the word needs the unknown token and the vocabulary does not have it.
  void encode(std::string_view word, std::vector<std::int32_t>& out) const override;

  const Vocabulary& vocabulary() const override { return vocabulary_; }
  const BpeOptions& options() const { return options_; }

 private:
  void encode_part(std::string_view word, std::vector<std::int32_t>& out) const;
  void merge_word(std::string_view word, std::vector<std::int32_t>& out) const;
  std::int32_t whole_word(std::string_view word) const;
  void split_bytes(std::string_view word, std::vector<std::int32_t>& symbols) const;
  void split_characters(std::string_view word, std::vector<std::int32_t>& symbols) const;
  bool no_token_crosses_word_starts() const;

  Vocabulary vocabulary_;
  MergeTable merges_;
  BpeOptions options_;
  std::int32_t unk_id_ = -1;
  ByteTokens byte_ids_;
  std::array<std::int32_t, 256> byte_symbols_;  // ids of single bytes in GPT-2's notation, or -1
  bool splits_at_word_starts_ = false;
  std::uint32_t cache_owner_;
};

}  // namespace svtune
