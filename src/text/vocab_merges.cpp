#include "text/vocab_merges.h"

#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/json.h"
#include "text/bpe_builder.h"

namespace svtune {
namespace {

constexpr const char* kEndWord = "<|endoftext|>";

bool is_qwen(const TokenizerConfig& config) {
  if (!config.tokenizer_class.empty()) return config.tokenizer_class == "Qwen2Tokenizer";
  return config.model_type.starts_with("qwen2") || config.model_type.starts_with("qwen3");
}

bool is_roberta(const TokenizerConfig& config) {
  if (!config.tokenizer_class.empty()) return config.tokenizer_class == "RobertaTokenizer";
  return config.model_type == "roberta";
}

void check_class(const VocabMergesText& text, const TokenizerConfig& config) {
  const std::string& name = config.tokenizer_class;
  const bool known = name.empty() || name == "GPT2Tokenizer" || name == "Qwen2Tokenizer" ||
                     name == "RobertaTokenizer" || name == "PreTrainedTokenizer" ||
                     name == "TokenizersBackend";
  if (!known) {
    throw FileError(text.vocab_file,
                    "belongs to tokenizer class \"" + name +
                        "\", but vocab.json and merges.txt are only read for GPT2Tokenizer, "
                        "Qwen2Tokenizer and RobertaTokenizer",
                    "Use a model directory that also holds tokenizer.json.");
  }
}

void read_vocab(const VocabMergesText& text, BpeBuilder& builder) {
  simdjson::dom::parser parser;
  simdjson::dom::object vocab;
  auto error = parser.allocate(text.vocab.size(), 8);
  if (!error) error = parser.parse(text.vocab.data(), text.vocab.size()).get(vocab);
  if (error) {
    parse_json(text.vocab, text.vocab_file);  // throws with line and column when malformed
    throw FileError(text.vocab_file, "must hold an object of tokens and ids");
  }
  builder.reserve(vocab.size(), vocab.size() * 8,
                  std::ranges::count(text.merges, '\n') + std::size_t{1});
  for (const auto [token, value] : vocab) {
    std::int64_t id = 0;
    if (value.get(id)) {
      throw FileError(text.vocab_file,
                      "the id of token \"" + std::string(token) + "\" must be an integer");
    }
    builder.add_token(token, id);
  }
}

// One merge per line; the first line may name a version.
void read_merges(std::string_view text, BpeBuilder& builder) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool version = at == 0 && line.starts_with("#version");
    if (!version && !line.empty()) builder.add_merge_line(line);
    at = end + 1;
  }
}

void add_special(TokenizerParts& parts, const char* content, bool takes_space_before = false) {
  AddedToken token;
  token.content = content;
  token.special = true;
  token.lstrip = takes_space_before;
  parts.added.add(std::move(token), parts.model->vocabulary());
}

// The special tokens of RoBERTa stand in its vocabulary; the configuration may name others.
void add_roberta_frame(const VocabMergesText& text, const TokenizerConfig& config,
                       TokenizerParts& parts) {
  const auto id_of = [&](const std::optional<AddedToken>& token, const char* fallback) {
    const std::string name = token ? token->content : fallback;
    const std::int32_t id = parts.model->vocabulary().find(name);
    if (id < 0) {
      throw FileError(text.vocab_file, "has no token " + name + ", which RobertaTokenizer needs");
    }
    return id;
  };
  parts.templates = roberta_templates(id_of(config.cls, "<s>"), id_of(config.sep, "</s>"));
  parts.frame = frame_of(parts.templates.single);
  for (const char* content : {"<s>", "<pad>", "</s>", "<unk>"}) {
    if (parts.model->vocabulary().find(content) >= 0) add_special(parts, content);
  }
  if (parts.model->vocabulary().find("<mask>") >= 0) add_special(parts, "<mask>", true);
  const auto role = [&](const char* content) { return parts.model->vocabulary().find(content); };
  parts.roles = {role("<s>"), role("</s>"), role("<pad>"), role("<unk>")};
}

}  // namespace

TokenizerParts read_vocab_merges(const VocabMergesText& text, const TokenizerConfig& config) {
  check_class(text, config);
  const bool qwen = is_qwen(config);
  TokenizerParts parts;
  BpeBuilder builder(text.merges_file);
  read_vocab(text, builder);
  read_merges(text.merges, builder);
  BpeOptions options;
  options.byte_level = true;
  parts.model = builder.build(std::move(options));
  if (qwen) parts.normalizer = make_unicode_normalizer(UnicodeForm::kNfc);
  parts.pre_tokenizer = make_byte_level_chain(qwen ? SplitPattern::kOneDigit : SplitPattern::kGpt2,
                                              config.add_prefix_space.value_or(false));
  parts.decoder = make_byte_level_decoder();
  if (is_roberta(config)) {
    add_roberta_frame(text, config, parts);
    return parts;
  }
  // Both families end their texts with this token unless the configuration names another one.
  if (qwen || parts.model->vocabulary().find(kEndWord) >= 0) {
    add_special(parts, kEndWord);
    const std::int32_t id = *parts.added.find(kEndWord);
    parts.roles = {qwen ? -1 : id, id, qwen ? id : -1, id};
  }
  if (config.add_bos_token.value_or(false) && parts.roles.bos >= 0) {
    parts.frame.prefix.push_back(parts.roles.bos);
  }
  return parts;
}

}  // namespace svtune
