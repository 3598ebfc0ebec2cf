// Text to token ids and back, from the files of a Hugging Face model directory: spm.model
// (SentencePiece; before tokenizer.json only for DeBERTa), tokenizer.json, tokenizer.model
// (SentencePiece or tiktoken ranks), vocab.json with merges.txt, or vocab.txt (WordPiece). Ids
// equal those of the PyPI packages `tokenizers` and `sentencepiece`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/sentencepiece_tokenizer.h"
#include "text/sequence_template.h"

namespace svtune {

struct TokenizerOptions {
  // For SentencePiece models only: tokenizer.json states its own rules.
  SentencePieceRule sentencepiece = SentencePieceRule::kSentencePiece;
};

// Immutable, cheap to copy and thread-safe: all copies share one table.
class Tokenizer {
 public:
  // The first of these forms that `model_dir` holds. The "truncation" and "padding" of
  // tokenizer.json are not applied. Throws FileError when there is none, or when a file is
  // malformed or needs a part that is not supported (the message names it).
  static Tokenizer load(const std::filesystem::path& model_dir, TokenizerOptions options = {});

  // A tokenizer.json that is already in memory; `file` names it in errors.
  static Tokenizer from_json(std::string_view json, const std::string& file);

  // Special and other added tokens that occur in the text become their ids.
  // add_special_tokens puts the model's frame around it (<s>, ...). Bytes that are not UTF-8
  // count as U+FFFD.
  std::vector<std::int32_t> encode(std::string_view text, bool add_special_tokens) const;

  // A text, or a pair of texts, in the model's form for classification: special tokens, and the
  // type of every token. At most `max_length` tokens; of a pair the longer text is cut first, as
  // "longest_first" of `tokenizers` does. Throws UsageError when the special tokens alone take
  // `max_length`, or when the tokenizer has no form for pairs; Error for a character that it has no
  // token for, not even an unknown one.
  TypedTokens encode_typed(std::string_view first, std::optional<std::string_view> second,
                           std::size_t max_length) const;

  // Unknown ids are skipped. Bytes that do not form UTF-8 become U+FFFD.
  std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const;

  // Highest id + 1; a model's embedding may have more rows.
  std::int32_t vocab_size() const;
  std::optional<std::int32_t> token_id(std::string_view token) const;
  // The token as the vocabulary spells it ("Ġthe", "▁the", "<0x0A>"); "" for an unknown id.
  std::string id_to_token(std::int32_t id) const;
  // Whether decode() leaves the id out with skip_special_tokens.
  bool is_special(std::int32_t id) const;

  std::optional<std::int32_t> bos_id() const;
  std::optional<std::int32_t> eos_id() const;
  std::optional<std::int32_t> pad_id() const;
  std::optional<std::int32_t> unk_id() const;
  // Of the token that stands for a hidden one: mask_token, else a token named as all encoders do.
  std::optional<std::int32_t> mask_id() const;

  // What encode() puts in front of and behind a text with add_special_tokens.
  const SpecialFrame& frame() const;

  // The Jinja source of the model's chat template; "" when it has none.
  const std::string& chat_template() const;
  // The template that takes its place for conversations with tools; "" when there is none.
  const std::string& tool_chat_template() const;

 private:
  struct Shared;
  explicit Tokenizer(std::shared_ptr<const Shared> shared) : shared_(std::move(shared)) {}
  static Tokenizer finish(TokenizerParts parts, TokenizerConfig config);

  std::shared_ptr<const Shared> shared_;
};

}  // namespace svtune
