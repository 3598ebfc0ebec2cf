// A tokenizer from a tiktoken rank file: lines "base64(token) rank". Llama-3 ships its
// tokenizer.model in this form; splitting follows Llama-3's pattern, and its 256 special tokens
// are added when nothing else declares them.
#pragma once

#include <string_view>

#include "text/tokenizer_config.h"
#include "text/tokenizer_parts.h"

namespace svtune {

// Whether the content of a tokenizer.model is a rank file rather than a SentencePiece model.
bool looks_like_tiktoken(std::string_view content);

// Throws FileError naming the line.
TokenizerParts read_tiktoken(std::string_view content, const std::string& file,
                             const TokenizerConfig& config);

}  // namespace svtune
