#include "text/tokenizer.h"

#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/text_util.h"
#include "text/tiktoken.h"
#include "text/tokenizer_json.h"
#include "text/tokenizer_parts.h"
#include "text/vocab_merges.h"
#include "text/vocab_txt.h"

namespace svtune {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxJsonBytes = std::uint64_t{1} << 28;
constexpr std::uint64_t kMaxModelBytes = std::uint64_t{1} << 26;

TokenizerParts read_model_file(const fs::path& path, const TokenizerConfig& config,
                               const TokenizerOptions& options) {
  const std::string content = read_file(path, kMaxModelBytes);
  if (looks_like_tiktoken(content)) return read_tiktoken(content, path.string(), config);
  return read_sentencepiece_tokenizer(content, path.string(), config, options.sentencepiece);
}

TokenizerParts read_parts(const fs::path& dir, const TokenizerConfig& config,
                          const TokenizerOptions& options) {
  const bool has_json = fs::exists(dir / "tokenizer.json");
  // Files that transformers 5 writes for DeBERTa lack the character map.
  if (fs::exists(dir / "spm.model") && (is_deberta(config) || !has_json)) {
    return read_model_file(dir / "spm.model", config, options);
  }
  if (has_json) {
    const fs::path path = dir / "tokenizer.json";
    return read_tokenizer_json(read_file(path, kMaxJsonBytes), path.string());
  }
  if (fs::exists(dir / "tokenizer.model")) {
    return read_model_file(dir / "tokenizer.model", config, options);
  }
  if (fs::exists(dir / "vocab.json") && fs::exists(dir / "merges.txt")) {
    const std::string vocab = read_file(dir / "vocab.json", kMaxJsonBytes);
    const std::string merges = read_file(dir / "merges.txt", kMaxJsonBytes);
    return read_vocab_merges(
        {vocab, (dir / "vocab.json").string(), merges, (dir / "merges.txt").string()}, config);
  }
  if (fs::exists(dir / "vocab.txt")) {
    const fs::path path = dir / "vocab.txt";
    return read_vocab_txt(read_file(path, kMaxModelBytes), path.string(), config);
  }
  if (fs::exists(dir / "sentencepiece.bpe.model")) {
    throw FileError(dir.string(),
                    "holds sentencepiece.bpe.model alone, whose pieces XLM-RoBERTa numbers in its "
                    "own way",
                    "Let transformers write tokenizer.json beside it: "
                    "AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR).");
  }
  throw FileError(dir.string(),
                  "holds no tokenizer (tokenizer.json, spm.model, tokenizer.model, vocab.json with "
                  "merges.txt, or vocab.txt)",
                  "Copy the tokenizer files of the base model into this directory.");
}

// Adds what the configuration declares beside the vocabulary, and finds the roles.
void apply_config(const TokenizerConfig& config, TokenizerParts& parts) {
  const Vocabulary& vocabulary = parts.model->vocabulary();
  for (const auto& [id, token] : config.added_tokens) parts.added.add(token, vocabulary);
  const auto add_missing = [&](const AddedToken& token) {
    if (!parts.added.find(token.content)) parts.added.add(token, vocabulary);
  };
  for (const AddedToken& token : config.additional_special_tokens) add_missing(token);
  const auto set_role = [&](const std::optional<AddedToken>& token, std::int32_t& role) {
    if (!token) return;
    add_missing(*token);
    role = parts.find(token->content);
  };
  set_role(config.unk, parts.roles.unk);
  set_role(config.bos, parts.roles.bos);
  set_role(config.eos, parts.roles.eos);
  set_role(config.pad, parts.roles.pad);
  for (const auto& token : {config.cls, config.sep}) {
    if (token) add_missing(*token);
  }
  set_role(config.mask, parts.roles.mask);
  // Older directories leave it to the tokenizer's class.
  for (const char* name : {"[MASK]", "<mask>"}) {
    if (parts.roles.mask < 0) parts.roles.mask = parts.find(name);
  }
}

std::optional<std::int32_t> known(std::int32_t id) {
  return id >= 0 ? std::optional(id) : std::nullopt;
}

}  // namespace

struct Tokenizer::Shared {
  TokenizerParts parts;
  std::string chat_template, tool_chat_template;
};

Tokenizer Tokenizer::finish(TokenizerParts parts, TokenizerConfig config) {
  apply_config(config, parts);
  parts.added.finish(parts.normalizer.get());
  if (parts.templates.single.empty()) parts.templates = framed_templates(parts.frame);
  auto shared = std::make_shared<Shared>();
  shared->parts = std::move(parts);
  shared->chat_template = std::move(config.chat_template);
  shared->tool_chat_template = std::move(config.tool_chat_template);
  return Tokenizer(std::move(shared));
}

Tokenizer Tokenizer::load(const fs::path& model_dir, TokenizerOptions options) {
  TokenizerConfig config = read_tokenizer_config(model_dir);
  TokenizerParts parts = read_parts(model_dir, config, options);
  return finish(std::move(parts), std::move(config));
}

Tokenizer Tokenizer::from_json(std::string_view json, const std::string& file) {
  return finish(read_tokenizer_json(json, file), {});
}

namespace {

void encode_any(const TokenizerParts& parts, std::string_view text,
                std::vector<std::int32_t>& ids) {
  ids.reserve(ids.size() + text.size() / 3 + 8);
  if (is_valid_utf8(text)) {
    parts.encode(text, ids);
  } else {
    parts.encode(replace_invalid_utf8(text), ids);
  }
}

}  // namespace

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  const TokenizerParts& parts = shared_->parts;
  std::vector<std::int32_t> ids;
  if (add_special_tokens) ids = parts.frame.prefix;
  encode_any(parts, text, ids);
  if (add_special_tokens) {
    ids.insert(ids.end(), parts.frame.suffix.begin(), parts.frame.suffix.end());
  }
  return ids;
}

TypedTokens Tokenizer::encode_typed(std::string_view first, std::optional<std::string_view> second,
                                    std::size_t max_length) const {
  const TokenizerParts& parts = shared_->parts;
  std::vector<std::int32_t> ids;
  encode_any(parts, first, ids);
  if (!second) return fill_template(parts.templates.single, std::move(ids), nullptr, max_length);
  if (parts.templates.pair.empty()) {
    throw UsageError("the tokenizer's post-processor has no form for a pair of texts",
                     "Give single texts, --text-columns with one name, or a tokenizer.json whose "
                     "post_processor has a form for pairs.");
  }
  std::vector<std::int32_t> second_ids;
  encode_any(parts, *second, second_ids);
  return fill_template(parts.templates.pair, std::move(ids), &second_ids, max_length);
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const {
  return shared_->parts.decode(ids, skip_special_tokens);
}

std::int32_t Tokenizer::vocab_size() const {
  return std::max(shared_->parts.model->vocabulary().end_id(), shared_->parts.added.end_id());
}

std::optional<std::int32_t> Tokenizer::token_id(std::string_view token) const {
  return known(shared_->parts.find(token));
}

std::string Tokenizer::id_to_token(std::int32_t id) const {
  return std::string(shared_->parts.token(id));
}

bool Tokenizer::is_special(std::int32_t id) const {
  const AddedToken* token = shared_->parts.added.find(id);
  return token != nullptr && token->special;
}

std::optional<std::int32_t> Tokenizer::bos_id() const { return known(shared_->parts.roles.bos); }
std::optional<std::int32_t> Tokenizer::eos_id() const { return known(shared_->parts.roles.eos); }
std::optional<std::int32_t> Tokenizer::pad_id() const { return known(shared_->parts.roles.pad); }
std::optional<std::int32_t> Tokenizer::unk_id() const { return known(shared_->parts.roles.unk); }

std::optional<std::int32_t> Tokenizer::mask_id() const { return known(shared_->parts.roles.mask); }

const SpecialFrame& Tokenizer::frame() const { return shared_->parts.frame; }

const std::string& Tokenizer::chat_template() const { return shared_->chat_template; }

const std::string& Tokenizer::tool_chat_template() const { return shared_->tool_chat_template; }

}  // namespace svtune
