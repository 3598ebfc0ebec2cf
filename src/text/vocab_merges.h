// A tokenizer from vocab.json and merges.txt, the form in which GPT-2, Qwen2 and their relatives
// were first published. The files do not say how text is split; tokenizer_config.json or
// config.json does, GPT-2's way is the default.
#pragma once

#include <string>
#include <string_view>

#include "text/tokenizer_config.h"
#include "text/tokenizer_parts.h"

namespace svtune {

struct VocabMergesText {
  std::string_view vocab;
  std::string vocab_file;  // names in errors
  std::string_view merges;
  std::string merges_file;
};

// Throws FileError for malformed files and for tokenizer classes that need other rules.
TokenizerParts read_vocab_merges(const VocabMergesText& text, const TokenizerConfig& config);

}  // namespace svtune
