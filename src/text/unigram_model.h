// The unigram language model of subwords (Kudo 2018): every token has a log probability, and a
// text is cut into the tokens whose sum is highest (Viterbi's search over all cuts).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/byte_tokens.h"
#include "text/prefix_trie.h"
#include "text/token_model.h"

namespace svtune {

// Whose rounding decides between cuts of nearly equal sums.
enum class UnigramArithmetic {
  kSentencePiece,  // sums in float over the whole text
  kTokenizers,     // sums in double, word by word
};

struct UnigramToken {
  std::string text;
  double score = 0;  // log probability
  enum class Use {
    kSearched,
    kUserDefined,  // taken wherever it stands
    kOnlyById,     // never found in text: control tokens, bytes
  } use = Use::kSearched;
};

struct UnigramOptions {
  std::int32_t unk_id = -1;    // -1: none
  bool byte_fallback = false;  // an unknown character becomes its bytes, if all have a token
  UnigramArithmetic arithmetic = UnigramArithmetic::kTokenizers;
};

class UnigramModel final : public TokenModel {
 public:
  // The index of a token is its id.
  UnigramModel(const std::vector<UnigramToken>& tokens, UnigramOptions options);
  // A run of unknown characters is one unknown token.
  void encode(std::string_view word, std::vector<std::int32_t>& out) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  void cut(std::string_view word, std::vector<std::int32_t>& out) const;
  template <typename Sum>
  void search(std::string_view word, std::vector<std::int32_t>& out) const;
  void append_unknown(std::string_view run, std::vector<std::int32_t>& out) const;

  Vocabulary vocabulary_;
  PrefixTrie trie_;
  std::vector<double> scores_;  // by id
  double unk_score_ = 0;
  UnigramOptions options_;
  ByteTokens byte_ids_;
  std::uint32_t cache_owner_;
};

}  // namespace svtune
