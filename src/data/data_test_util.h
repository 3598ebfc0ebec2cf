// For tests only: a tokenizer whose tokens are the 256 bytes plus <s>, </s> and two chat tokens.
#pragma once

#include <string>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "base/oracle_test_util.h"
#include "data/example.h"
#include "text/byte_level.h"
#include "text/tokenizer.h"

namespace svtune::test {

inline constexpr std::int32_t kBos = 256;
inline constexpr std::int32_t kEos = 257;

// Byte b has id b; a text is framed by <s> in front when add_bos. The chat template may be a
// text or a list of named ones.
inline Tokenizer byte_tokenizer(bool add_bos = true, const Json& chat_template = nullptr) {
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte) {
    std::string token;
    append_byte_level(token, std::string(1, static_cast<char>(byte)));
    vocab[token] = byte;
  }
  Json added = Json::array();
  const char* names[] = {"<s>", "</s>", "<|im_start|>", "<|im_end|>"};
  for (int i = 0; i < 4; ++i) {
    added.push_back({{"id", 256 + i},
                     {"content", names[i]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  Json json = {{"version", "1.0"}, {"added_tokens", added}, {"normalizer", nullptr}};
  json["pre_tokenizer"] = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", true}};
  json["decoder"] = {{"type", "ByteLevel"}};
  json["post_processor"] = nullptr;
  if (add_bos) {
    json["post_processor"] = {
        {"type", "TemplateProcessing"},
        {"single", Json::array({{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}},
                                {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}})},
        {"pair", Json::array()},
        {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {kBos}}, {"tokens", {"<s>"}}}}}}};
  }
  json["model"] = {{"type", "BPE"}, {"vocab", vocab}, {"merges", Json::array()}};
  const TempDirectory directory;
  write_file_atomic(directory / "tokenizer.json", json.dump());
  Json config = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
  if (!chat_template.is_null()) config["chat_template"] = chat_template;
  write_file_atomic(directory / "tokenizer_config.json", config.dump());
  return Tokenizer::load(directory.path());
}

// Text of the supervised tokens, the others as '.', special tokens as '#'.
inline std::string learned(const TokenizedExample& example) {
  std::string out;
  for (std::size_t i = 0; i < example.ids.size(); ++i) {
    const std::int32_t id = example.ids[i];
    out += !example.supervised[i] ? "." : id < 256 ? std::string(1, static_cast<char>(id)) : "#";
  }
  return out;
}

// The whole text, special tokens as '#'.
inline std::string text_of(const TokenizedExample& example) {
  std::string out;
  for (const std::int32_t id : example.ids) out += id < 256 ? static_cast<char>(id) : '#';
  return out;
}

inline std::vector<std::int32_t> bytes_of(const std::string& text) {
  std::vector<std::int32_t> ids;
  for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
  return ids;
}

}  // namespace svtune::test
