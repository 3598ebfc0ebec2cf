// The parts that every tokenizer format is reduced to, and the way of a text through them:
// added tokens, normaliser, added tokens again, pre-tokenisers, model.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/normalizer.h"
#include "text/post_processor.h"
#include "text/pre_tokenizer.h"
#include "text/sequence_template.h"
#include "text/token_decoder.h"
#include "text/token_model.h"

namespace svtune {

// The roles that generation and training need; -1: none.
struct TokenRoles {
  std::int32_t bos = -1;
  std::int32_t eos = -1;
  std::int32_t pad = -1;
  std::int32_t unk = -1;
  std::int32_t mask = -1;  // stands for a hidden token
};

struct TokenizerParts {
  AddedTokens added;
  std::unique_ptr<Normalizer> normalizer;  // may be null
  PreTokenizerChain pre_tokenizer;
  std::unique_ptr<TokenModel> model;  // never null once loaded
  SpecialFrame frame;
  SequenceTemplates templates;       // filled from the frame where a format has none of its own
  std::unique_ptr<Decoder> decoder;  // may be null: tokens are joined by spaces
  TokenRoles roles;

  // Appends the ids of valid UTF-8 text, without the frame.
  void encode(std::string_view text, std::vector<std::int32_t>& out) const;
  std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const;
  // "" when there is no such id.
  std::string_view token(std::int32_t id) const;
  std::int32_t find(std::string_view token) const;  // -1 when absent
};

}  // namespace svtune
