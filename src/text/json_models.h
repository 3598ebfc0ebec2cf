// The "model" of tokenizer.json: BPE, WordPiece or Unigram.
#pragma once

#include <memory>

#include "text/json_object.h"
#include "text/token_model.h"

namespace svtune {

// Old files have no type; a list of merges tells a byte-pair model.
bool is_byte_pair_model(const JsonObject& model);

// `byte_level`: the pre-tokenisers leave the bytes of a word to the model. Throws FileError for
// another type, a wrong value, merges of unknown tokens and ids out of range.
std::unique_ptr<TokenModel> make_json_model(const JsonObject& model, bool byte_level);

}  // namespace svtune
