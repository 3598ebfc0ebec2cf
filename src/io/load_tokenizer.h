// The tokenizer of a model directory or of a GGUF file.
#pragma once

#include <filesystem>
#include <vector>

#include "text/tokenizer.h"

namespace svtune {

// Throws FileError when the directory has no tokenizer svtune can read.
Tokenizer load_tokenizer(const std::filesystem::path& model);

// Ids that end an answer: eos_token_id of generation_config.json and config.json (a number
// or a list), the tokenizer's end token, and the chat template's end-of-turn token. Throws
// FileError where such a key holds something else.
std::vector<std::int32_t> end_tokens(const std::filesystem::path& model,
                                     const Tokenizer& tokenizer);

}  // namespace svtune
