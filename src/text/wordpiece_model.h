// WordPiece (Schuster & Nakajima 2012, as BERT uses it): a word is cut from the left into the
// longest tokens that the vocabulary has; tokens that do not begin a word carry a prefix ("##").
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/token_model.h"

namespace svtune {

struct WordPieceOptions {
  std::string unk_token = "[UNK]";  // what a word becomes that cannot be cut into tokens
  std::string prefix = "##";
  std::size_t max_characters = 100;  // of a word; longer ones become unk_token
};

class WordPieceModel final : public TokenModel {
 public:
  WordPieceModel(Vocabulary vocabulary, WordPieceOptions options);
  void encode(std::string_view word, std::vector<std::int32_t>& out) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  void cut_word(std::string_view word, std::vector<std::int32_t>& out) const;
  // The longest token at `at` and how many bytes of the word it takes; id -1: none.
  struct Match {
    std::int32_t id = -1;
    std::size_t bytes = 0;
  };
  Match longest_at(std::string_view word, std::size_t at) const;

  Vocabulary vocabulary_;
  WordPieceOptions options_;
  std::int32_t unk_id_;
  std::size_t longest_token_ = 0;  // bytes
  std::uint32_t cache_owner_;
};

}  // namespace svtune
