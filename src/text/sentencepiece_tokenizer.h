// A tokenizer from a SentencePiece model of byte pairs or unigrams. Pieces are found by
// SentencePiece's own rule; control and user-defined pieces are found in the raw text, as the
// `tokenizers` library does.
#pragma once

#include <string_view>

#include "text/tokenizer_config.h"
#include "text/tokenizer_parts.h"

namespace svtune {

// Whose ids a SentencePiece model gives.
enum class SentencePieceRule {
  // SentencePiece's own: pieces join by score, one space goes in front of the text (with
  // "legacy": true in tokenizer_config.json in front of every stretch between special tokens).
  kSentencePiece,
  // Those of the classes of transformers 5: pieces join by id, which differs for runs of spaces,
  // and no space is added to a text that starts with one.
  kTransformers5,
};

// Whether the tokenizer is that of DeBERTa V2 or V3, by its class or the model's type.
bool is_deberta(const TokenizerConfig& config);

// `bytes` is the content of `file`. DeBERTa's model (by its class, or named spm.model) has [CLS]
// and [SEP] around a text and [MASK] behind its pieces. Throws FileError for malformed files, for
// word and character models, unused pieces of byte pairs, and unigram models of classes that give
// other ids than SentencePiece.
TokenizerParts read_sentencepiece_tokenizer(std::string_view bytes, const std::string& file,
                                            const TokenizerConfig& config, SentencePieceRule rule);

}  // namespace svtune
