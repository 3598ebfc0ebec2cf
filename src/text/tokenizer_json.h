// Reads tokenizer.json of the `tokenizers` library: models of byte pairs, WordPiece and
// unigrams with their added tokens,
// normaliser, pre-tokeniser, post-processor and decoder.
#pragma once

#include <string_view>

#include "text/tokenizer_parts.h"

namespace svtune {

// `file` names the text in errors. "truncation" and "padding" are not applied: both belong to
// the caller. Throws FileError for malformed JSON (with line and column), unknown types, merges
// of unknown tokens and ids out of range.
TokenizerParts read_tokenizer_json(std::string_view json, const std::string& file);

}  // namespace svtune
