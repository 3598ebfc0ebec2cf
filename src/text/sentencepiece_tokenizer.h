// A tokenizer from a SentencePiece tokenizer.model (byte-pair models only). Pieces are joined by
// SentencePiece's own rule; control and user-defined pieces are found in the raw text, as the
// `tokenizers` library does.
#pragma once

#include <string_view>

#include "text/tokenizer_config.h"
#include "text/tokenizer_parts.h"

namespace svtune {

// Where the space in front of the text ("dummy prefix") goes.
enum class SpacePrefix {
  kSentencePiece,  // always one, at the start of the text (legacy: of every section)
  kTransformers5,  // as transformers 5: none when the text starts with a space already
};

// `bytes` is the content of `file`. Throws FileError for malformed files and for unigram models,
// character maps and unused pieces.
TokenizerParts read_sentencepiece_tokenizer(std::string_view bytes, const std::string& file,
                                            const TokenizerConfig& config, SpacePrefix prefix);

}  // namespace svtune
