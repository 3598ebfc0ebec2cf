#include "text/vocab_txt.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/errors.h"
#include "base/text_util.h"
#include "text/bert_normalizer.h"
#include "text/wordpiece_model.h"

namespace svtune {
namespace {

constexpr std::size_t kMaxLineBytes = 1024;

void check_class(const std::string& file, const TokenizerConfig& config) {
  constexpr std::array kKnown = {"",
                                 "BertTokenizer",
                                 "DistilBertTokenizer",
                                 "ElectraTokenizer",
                                 "MobileBertTokenizer",
                                 "PreTrainedTokenizer",
                                 "TokenizersBackend"};
  if (std::ranges::find(kKnown, config.tokenizer_class) != kKnown.end()) return;
  throw FileError(file,
                  "belongs to tokenizer class \"" + config.tokenizer_class +
                      "\", but vocab.txt is only read for BERT's tokenizers",
                  "Use a model directory that also holds tokenizer.json.");
}

Vocabulary read_words(std::string_view content, const std::string& file) {
  Vocabulary vocabulary;
  const auto lines = static_cast<std::size_t>(std::ranges::count(content, '\n'));
  vocabulary.reserve(lines + 1, content.size());
  std::int64_t id = 0;
  for (std::size_t at = 0; at < content.size(); ++id) {
    const auto fail = [&](const std::string& what) {
      throw FileError(file, "line " + std::to_string(id + 1) + " " + what);
    };
    const std::size_t end = std::min(content.find('\n', at), content.size());
    std::string_view token = content.substr(at, end - at);
    at = end + 1;
    if (token.ends_with('\r')) token.remove_suffix(1);
    if (id > kMaxTokenId) fail("is beyond the limit of " + std::to_string(kMaxTokenId) + " tokens");
    if (token.size() > kMaxLineBytes) fail("is longer than " + std::to_string(kMaxLineBytes));
    if (!is_valid_utf8(token)) fail("is not valid UTF-8");
    if (!token.empty()) vocabulary.add(token, static_cast<std::int32_t>(id));
  }
  return vocabulary;
}

std::string content_of(const std::optional<AddedToken>& token, const char* fallback) {
  return token ? token->content : fallback;
}

}  // namespace

TokenizerParts read_vocab_txt(std::string_view content, const std::string& file,
                              const TokenizerConfig& config) {
  check_class(file, config);
  Vocabulary vocabulary = read_words(content, file);
  const auto require = [&](const std::string& token) {
    const std::int32_t id = vocabulary.find(token);
    if (id < 0) throw FileError(file, "has no token " + token + ", which BERT's tokenizers need");
    return id;
  };
  TokenizerParts parts;
  WordPieceOptions options;
  options.unk_token = content_of(config.unk, "[UNK]");
  parts.roles.unk = require(options.unk_token);
  parts.templates = bert_templates(require(content_of(config.cls, "[CLS]")),
                                   require(content_of(config.sep, "[SEP]")));
  parts.frame = frame_of(parts.templates.single);
  parts.model = std::make_unique<WordPieceModel>(std::move(vocabulary), std::move(options));
  BertNormalizing normalizing;
  normalizing.lower_case = config.do_lower_case.value_or(true);
  normalizing.separate_chinese = config.tokenize_chinese_chars.value_or(true);
  normalizing.strip_accents = config.strip_accents.value_or(normalizing.lower_case);
  parts.normalizer = make_bert_normalizer(normalizing);
  parts.pre_tokenizer = make_bert_chain();
  parts.decoder = make_wordpiece_decoder("##", true);
  for (const char* name : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}) {
    if (parts.model->vocabulary().find(name) < 0) continue;
    AddedToken token;
    token.content = name;
    token.special = true;
    parts.added.add(std::move(token), parts.model->vocabulary());
  }
  parts.roles.pad = parts.model->vocabulary().find("[PAD]");
  return parts;
}

}  // namespace svtune
