#include "text/tokenizer_config.h"

#include <charconv>
#include <utility>

#include "base/files.h"
#include "text/json_part.h"

namespace svtune {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxConfigBytes = std::uint64_t{1} << 26;

// "<s>" or {"content": "<s>", "lstrip": false, ...}
std::optional<AddedToken> special_token(const JsonPart& part, const char* key) {
  if (!part.has(key)) return std::nullopt;
  AddedToken token;
  token.special = true;
  if (part.json().at(key).is_string()) {
    token.content = part.text(key);
    return token;
  }
  const JsonPart object = part.child(key);
  token.content = object.text("content");
  token.single_word = object.flag("single_word", false);
  token.lstrip = object.flag("lstrip", false);
  token.rstrip = object.flag("rstrip", false);
  token.normalized = object.flag("normalized", false);
  return token;
}

void read_roles(const JsonPart& part, TokenizerConfig& config) {
  const auto take = [&](const char* key, std::optional<AddedToken>& role) {
    if (!role) role = special_token(part, key);
  };
  take("bos_token", config.bos);
  take("eos_token", config.eos);
  take("pad_token", config.pad);
  take("unk_token", config.unk);
  take("cls_token", config.cls);
  take("sep_token", config.sep);
  take("mask_token", config.mask);
}

void read_additional_tokens(const JsonPart& part, TokenizerConfig& config) {
  constexpr const char* kKey = "additional_special_tokens";
  if (!part.has(kKey) || !config.additional_special_tokens.empty()) return;
  const Json& list = part.json().at(kKey);
  if (!list.is_array()) part.fail(kKey, "must be an array");
  for (const Json& item : list) {
    const Json holder = {{"token", item}};
    auto token = special_token(JsonPart(holder, part.where() + "." + kKey, part.file()), "token");
    if (token) config.additional_special_tokens.push_back(*std::move(token));
  }
}

std::int64_t parse_id(const JsonPart& part, const std::string& key) {
  std::int64_t id = -1;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
  const bool valid = error == std::errc() && end == key.data() + key.size() && id >= 0;
  if (!valid || id > kMaxTokenId) {
    part.fail(key, "must be an id from 0 to " + std::to_string(kMaxTokenId));
  }
  return id;
}

void read_added_tokens_decoder(const JsonPart& part, TokenizerConfig& config) {
  for (const auto& [key, value] : part.json().items()) {
    const JsonPart object(value, part.where() + "." + key, part.file());
    AddedToken token;
    token.content = object.text("content");
    token.single_word = object.flag("single_word", false);
    token.lstrip = object.flag("lstrip", false);
    token.rstrip = object.flag("rstrip", false);
    token.normalized = object.flag("normalized", false);
    token.special = object.flag("special", false);
    config.added_tokens[parse_id(part, key)] = std::move(token);
  }
}

std::optional<bool> optional_flag(const JsonPart& part, const char* key) {
  if (!part.has(key)) return std::nullopt;
  return part.flag(key, false);
}

// A string, or a list of {"name", "template"} of which "default" counts, and "tool_use" where
// there are tools.
void read_chat_templates(const JsonPart& part, TokenizerConfig& config) {
  constexpr const char* kKey = "chat_template";
  if (!part.has(kKey)) return;
  if (!part.json().at(kKey).is_array()) {
    config.chat_template = part.text(kKey);
    return;
  }
  std::string first;
  for (const JsonPart& entry : part.children(kKey)) {
    const std::string name = entry.text("name");
    if (name == "default") config.chat_template = entry.text("template");
    if (name == "tool_use") config.tool_chat_template = entry.text("template");
    if (first.empty()) first = entry.text("template");
  }
  if (config.chat_template.empty()) config.chat_template = first;
}

void read_main_config(const JsonPart& part, TokenizerConfig& config) {
  config.tokenizer_class = part.optional_text("tokenizer_class").value_or("");
  if (config.tokenizer_class.ends_with("Fast")) {
    config.tokenizer_class.resize(config.tokenizer_class.size() - 4);
  }
  config.add_bos_token = optional_flag(part, "add_bos_token");
  config.add_eos_token = optional_flag(part, "add_eos_token");
  config.add_prefix_space = optional_flag(part, "add_prefix_space");
  config.legacy = optional_flag(part, "legacy");
  config.do_lower_case = optional_flag(part, "do_lower_case");
  config.tokenize_chinese_chars = optional_flag(part, "tokenize_chinese_chars");
  config.strip_accents = optional_flag(part, "strip_accents");
  config.split_by_punct = optional_flag(part, "split_by_punct");
  read_chat_templates(part, config);
  if (part.has("added_tokens_decoder")) {
    read_added_tokens_decoder(part.child("added_tokens_decoder"), config);
  }
  read_roles(part, config);
  read_additional_tokens(part, config);
}

// {"<|im_end|>": 151645}
void read_added_tokens_file(const JsonPart& part, TokenizerConfig& config) {
  for (const auto& [content, value] : part.json().items()) {
    const bool valid = value.is_number_integer() && value >= 0 && value <= kMaxTokenId;
    if (!valid) part.fail(content, "must be an id from 0 to " + std::to_string(kMaxTokenId));
    AddedToken token;
    token.content = content;
    config.added_tokens.try_emplace(value.get<std::int64_t>(), std::move(token));
  }
}

template <typename Read>
void if_present(const fs::path& path, Read read) {
  if (!fs::exists(path)) return;
  const std::string file = path.string();
  const Json json = read_json_file(path, kMaxConfigBytes);
  read(JsonPart(json, path.stem().string(), file));
}

}  // namespace

TokenizerConfig read_tokenizer_config(const fs::path& model_dir) {
  TokenizerConfig config;
  if_present(model_dir / "tokenizer_config.json",
             [&](const JsonPart& part) { read_main_config(part, config); });
  if_present(model_dir / "special_tokens_map.json", [&](const JsonPart& part) {
    read_roles(part, config);
    read_additional_tokens(part, config);
  });
  if_present(model_dir / "added_tokens.json",
             [&](const JsonPart& part) { read_added_tokens_file(part, config); });
  if_present(model_dir / "config.json", [&](const JsonPart& part) {
    config.model_type = part.optional_text("model_type").value_or("");
  });
  if_present(model_dir / "chat_template.json", [&](const JsonPart& part) {
    if (config.chat_template.empty()) read_chat_templates(part, config);
  });
  // A file of its own stands for all that the JSON files say, as in transformers.
  if (fs::exists(model_dir / "chat_template.jinja")) {
    config.chat_template = read_file(model_dir / "chat_template.jinja", kMaxConfigBytes);
    config.tool_chat_template.clear();
  }
  const fs::path with_tools = model_dir / "additional_chat_templates" / "tool_use.jinja";
  if (fs::exists(with_tools)) {
    config.tool_chat_template = read_file(with_tools, kMaxConfigBytes);
  }
  return config;
}

}  // namespace svtune
