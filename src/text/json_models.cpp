#include "text/json_models.h"

#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "text/bpe_builder.h"
#include "text/unigram_model.h"
#include "text/wordpiece_model.h"

namespace svtune {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kMaxTokenBytes = 1024;  // of models that try every length

void check_token_size(const JsonObject& model, std::string_view token) {
  if (token.size() > kMaxTokenBytes) {
    model.fail("a token of model.vocab has " + std::to_string(token.size()) +
               " bytes, the limit is " + std::to_string(kMaxTokenBytes));
  }
}

std::int64_t token_id(const JsonObject& model, std::string_view token, const dom::element& value) {
  std::int64_t id = 0;
  if (value.get(id)) {
    model.fail("the id of token \"" + std::string(token) + "\" must be an integer");
  }
  return id;
}

void check_bpe(const JsonObject& model) {
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model.text(key).empty()) {
      model.fail(std::string("model.") + key + " is not supported");
    }
  }
  dom::element element;
  double dropout = 0;
  if (model.find("dropout", element) && (element.get(dropout) || dropout != 0)) {
    model.fail("model.dropout must be null: encoding has to be deterministic");
  }
}

void add_merge(const JsonObject& model, BpeBuilder& builder, const dom::element& merge) {
  std::string_view line;
  if (!merge.get(line)) return builder.add_merge_line(line);
  dom::array pair;
  std::string_view left;
  std::string_view right;
  const bool valid =
      !merge.get(pair) && pair.size() == 2 && !pair.at(0).get(left) && !pair.at(1).get(right);
  if (!valid) model.fail("model.merges must hold strings \"a b\" or pairs [\"a\", \"b\"]");
  builder.add_merge(left, right);
}

std::unique_ptr<TokenModel> make_bpe(const JsonObject& model, bool byte_level) {
  check_bpe(model);
  BpeBuilder builder(model.file());
  const JsonObject vocab = model.child("vocab");
  const dom::array merges = model.array("merges");
  builder.reserve(vocab.dom().size(), vocab.dom().size() * 8, merges.size());
  for (const auto [token, value] : vocab.dom()) {
    builder.add_token(token, token_id(model, token, value));
  }
  for (const dom::element merge : merges) add_merge(model, builder, merge);
  BpeOptions options;
  options.byte_level = byte_level;
  options.byte_fallback = model.flag("byte_fallback");
  options.fuse_unk = model.flag("fuse_unk");
  options.ignore_merges = model.flag("ignore_merges");
  options.unk_token = model.text("unk_token");
  return builder.build(std::move(options));
}

std::unique_ptr<TokenModel> make_wordpiece(const JsonObject& model) {
  constexpr std::int64_t kMaxCharacters = 1000;
  WordPieceOptions options;
  options.unk_token = model.text("unk_token");
  options.prefix = model.text("continuing_subword_prefix");
  options.max_characters =
      static_cast<std::size_t>(model.integer("max_input_chars_per_word", 100, kMaxCharacters));
  const JsonObject vocab = model.child("vocab");
  Vocabulary vocabulary;
  vocabulary.reserve(vocab.dom().size(), vocab.dom().size() * 8);
  for (const auto [token, value] : vocab.dom()) {
    check_token_size(model, token);
    const std::int64_t id = token_id(model, token, value);
    if (id < 0 || id > kMaxTokenId) {
      model.fail("token \"" + std::string(token) + "\" has id " + std::to_string(id) +
                 ", ids must be from 0 to " + std::to_string(kMaxTokenId));
    }
    vocabulary.add(token, static_cast<std::int32_t>(id));
  }
  if (vocabulary.size() == 0) model.fail("the vocabulary is empty");
  return std::make_unique<WordPieceModel>(std::move(vocabulary), std::move(options));
}

UnigramToken unigram_token(const JsonObject& model, const dom::element& entry) {
  dom::array pair;
  std::string_view text;
  double score = 0;
  const bool valid =
      !entry.get(pair) && pair.size() == 2 && !pair.at(0).get(text) && !pair.at(1).get(score);
  if (!valid || !std::isfinite(score)) model.fail("model.vocab must hold pairs [\"token\", score]");
  check_token_size(model, text);
  return {std::string(text), score, UnigramToken::Use::kSearched};
}

std::unique_ptr<TokenModel> make_unigram(const JsonObject& model) {
  const dom::array vocab = model.array("vocab");
  std::vector<UnigramToken> tokens;
  for (const dom::element entry : vocab) tokens.push_back(unigram_token(model, entry));
  if (tokens.empty()) model.fail("the vocabulary is empty");
  if (tokens.size() > static_cast<std::size_t>(kMaxTokenId)) {
    model.fail("has more than " + std::to_string(kMaxTokenId) + " tokens");
  }
  UnigramOptions options;
  options.byte_fallback = model.flag("byte_fallback");
  dom::element unk;
  if (model.find("unk_id", unk)) {
    options.unk_id = static_cast<std::int32_t>(
        model.integer("unk_id", 0, static_cast<std::int64_t>(tokens.size()) - 1));
  }
  return std::make_unique<UnigramModel>(tokens, options);
}

}  // namespace

bool is_byte_pair_model(const JsonObject& model) {
  const std::string type = model.text("type");
  dom::element merges;
  return type == "BPE" || (type.empty() && model.find("merges", merges));
}

std::unique_ptr<TokenModel> make_json_model(const JsonObject& model, bool byte_level) {
  if (is_byte_pair_model(model)) return make_bpe(model, byte_level);
  const std::string type = model.text("type");
  if (type == "WordPiece") return make_wordpiece(model);
  if (type == "Unigram") return make_unigram(model);
  throw FileError(model.file(), "model.type \"" + type + "\" is not supported",
                  "BPE, WordPiece and Unigram models can be used.");
}

}  // namespace svtune
