// A WordPiece tokenizer from vocab.txt, one token per line, as BERT and its relatives ship it.
#pragma once

#include <string>
#include <string_view>

#include "text/tokenizer_config.h"
#include "text/tokenizer_parts.h"

namespace svtune {

// The number of a line, from 0, is the id of its token; of a token that stands twice the last id
// counts. Lower case, accents and Chinese characters are treated as tokenizer_config.json says, by
// default as BERT uncased does. Throws FileError when [UNK], [CLS] or [SEP] (or what the
// configuration names in their place) is missing, or when the file belongs to another class.
TokenizerParts read_vocab_txt(std::string_view content, const std::string& file,
                              const TokenizerConfig& config);

}  // namespace svtune
