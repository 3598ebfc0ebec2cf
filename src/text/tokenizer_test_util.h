// For tests only: small tokenizer.json texts and model directories.
#pragma once

#include <string>
#include <utility>

#include "base/errors.h"
#include "base/json.h"
#include "text/tokenizer.h"

namespace svtune::test {

// A byte-pair tokenizer.json without any other part: characters a, b, c, space, U+2581 and the
// merges "a b", "ab c".
inline Json small_tokenizer_json() {
  return Json::parse(R"({
    "version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null,
    "post_processor": null, "decoder": {"type": "Fuse"},
    "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": false, "byte_fallback": false,
              "vocab": {"<unk>": 0, "a": 1, "b": 2, "c": 3, " ": 4, "▁": 5, "ab": 6, "abc": 7},
              "merges": ["a b", "ab c"]}})");
}

inline Json added_token(const std::string& content, const Json& flags = Json::object()) {
  Json token = {{"id", 100},       {"content", content},  {"single_word", false}, {"lstrip", false},
                {"rstrip", false}, {"normalized", false}, {"special", false}};
  token.update(flags);
  return token;
}

inline Tokenizer make_tokenizer(const Json& json) {
  return Tokenizer::from_json(json.dump(), "tokenizer.json");
}

// The spelling of each id, separated by '|'.
inline std::string pieces(const Tokenizer& tokenizer, std::string_view text,
                          bool add_special_tokens = false) {
  std::string out;
  for (const std::int32_t id : tokenizer.encode(text, add_special_tokens)) {
    if (!out.empty()) out += '|';
    out += tokenizer.id_to_token(id);
  }
  return out;
}

// The message of the Error that `action` throws, or "" when it does not.
template <typename Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace svtune::test
