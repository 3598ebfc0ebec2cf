// What the files beside the vocabulary say about a tokenizer: tokenizer_config.json,
// special_tokens_map.json, added_tokens.json, chat_template.jinja and config.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "text/added_tokens.h"

namespace svtune {

struct TokenizerConfig {
  std::string tokenizer_class;  // without "Fast"; "" when nothing says
  std::string model_type;       // of config.json; "" when there is none
  // Declared under added_tokens_decoder or added_tokens.json, in ascending order of ids.
  std::map<std::int64_t, AddedToken> added_tokens;
  std::vector<AddedToken> additional_special_tokens;
  std::optional<AddedToken> bos, eos, pad, unk, cls, sep, mask;
  std::optional<bool> add_bos_token, add_eos_token, add_prefix_space, legacy;
  std::optional<bool> do_lower_case, tokenize_chinese_chars, strip_accents, split_by_punct;
  std::string chat_template;       // raw; "" when there is none
  std::string tool_chat_template;  // the one named "tool_use", for conversations with tools
};

// All files are optional. Throws FileError when one of them is malformed.
TokenizerConfig read_tokenizer_config(const std::filesystem::path& model_dir);

}  // namespace svtune
