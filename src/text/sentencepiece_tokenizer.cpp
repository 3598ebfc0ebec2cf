#include "text/sentencepiece_tokenizer.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "text/bpe_model.h"
#include "text/ranked_merges.h"
#include "text/sentencepiece_model.h"
#include "text/sentencepiece_normalizer.h"
#include "text/unigram_model.h"

namespace svtune {
namespace {

constexpr const char* kSpacePrefix = "\xE2\x96\x81";  // U+2581
constexpr int kUnigramModel = 1;
constexpr int kBytePairModel = 2;
constexpr const char* kOtherFile = "Use a model directory that also holds tokenizer.json.";

struct Source {
  const SentencePieceModel& model;
  const std::string& file;
  const TokenizerConfig& config;
  SentencePieceRule rule;

  [[noreturn]] void fail(const std::string& what) const { throw FileError(file, what, kOtherFile); }
  bool unigram() const { return model.model_type == kUnigramModel; }
  bool deberta() const { return is_deberta(config) || file.ends_with("spm.model"); }
};

void check_unigram(const Source& source) {
  const std::string& name = source.config.tokenizer_class;
  const bool known = name.empty() || name == "DebertaV2Tokenizer" || name == "LlamaTokenizer" ||
                     name == "PreTrainedTokenizer" || name == "TokenizersBackend";
  if (!known) {
    source.fail("is a SentencePiece unigram model of tokenizer class \"" + name +
                "\"; only those of DebertaV2Tokenizer and LlamaTokenizer are read");
  }
  if (source.rule != SentencePieceRule::kSentencePiece) {
    source.fail(
        "is a SentencePiece unigram model, for which only SentencePiece's own ids are known");
  }
}

void check_supported(const Source& source) {
  const SentencePieceModel& model = source.model;
  if (source.unigram()) {
    check_unigram(source);
  } else if (model.model_type != kBytePairModel) {
    source.fail(
        "is a SentencePiece word or character model; only those of byte pairs and unigrams "
        "are supported");
  }
  if (model.whitespace_as_suffix) {
    source.fail("treats white space as a suffix, which is not supported");
  }
  if (source.config.split_by_punct.value_or(false)) {
    source.fail("is to be used with \"split_by_punct\": true, which is not supported");
  }
  for (const SentencePiece& piece : model.pieces) {
    if (piece.type == PieceType::kUnused && !source.unigram()) {
      source.fail("piece \"" + piece.text + "\" is of type UNUSED, which is not supported");
    }
  }
}

// Rank 0 for the highest score; equal scores share a rank.
std::vector<std::uint32_t> ranks_by_score(const SentencePieceModel& model) {
  std::vector<float> scores;
  scores.reserve(model.pieces.size());
  for (const SentencePiece& piece : model.pieces) scores.push_back(piece.score);
  std::ranges::sort(scores, std::greater<>());
  scores.erase(std::ranges::unique(scores).begin(), scores.end());
  std::vector<std::uint32_t> ranks;
  for (const SentencePiece& piece : model.pieces) {
    const auto at = std::ranges::lower_bound(scores, piece.score, std::greater<>());
    ranks.push_back(static_cast<std::uint32_t>(at - scores.begin()));
  }
  return ranks;
}

UnigramToken::Use use_of(PieceType type) {
  if (type == PieceType::kNormal) return UnigramToken::Use::kSearched;
  return type == PieceType::kUserDefined ? UnigramToken::Use::kUserDefined
                                         : UnigramToken::Use::kOnlyById;
}

std::unique_ptr<TokenModel> make_unigram_model(const SentencePieceModel& model) {
  std::vector<UnigramToken> tokens;
  tokens.reserve(model.pieces.size());
  for (const SentencePiece& piece : model.pieces) {
    tokens.push_back({piece.text, piece.score, use_of(piece.type)});
  }
  const bool has_unk =
      model.unk_id >= 0 && static_cast<std::size_t>(model.unk_id) < model.pieces.size();
  return std::make_unique<UnigramModel>(
      tokens, UnigramOptions{has_unk ? model.unk_id : -1, model.byte_fallback,
                             UnigramArithmetic::kSentencePiece});
}

std::unique_ptr<TokenModel> make_byte_pair_model(const SentencePieceModel& model,
                                                 SentencePieceRule rule) {
  const bool by_score = rule == SentencePieceRule::kSentencePiece;
  Vocabulary all;
  Vocabulary mergeable;
  std::vector<RankedToken> tokens;
  const std::vector<std::uint32_t> ranks = ranks_by_score(model);
  for (std::size_t i = 0; i < model.pieces.size(); ++i) {
    const SentencePiece& piece = model.pieces[i];
    const auto id = static_cast<std::int32_t>(i);
    all.add(piece.text, id);
    const bool joins = piece.type == PieceType::kNormal || piece.type == PieceType::kUserDefined;
    if (by_score && !joins) continue;
    mergeable.add(piece.text, id);
    tokens.push_back({piece.text, ranks[i], id});
  }
  BpeOptions options;
  options.byte_fallback = model.byte_fallback;
  options.fuse_unk = true;
  options.unk_token = all.token(model.unk_id);
  MergeTable merges = make_ranked_merges(
      tokens, mergeable, {true, by_score ? SplitRank::kOfToken : SplitRank::kConsecutive});
  return std::make_unique<BpeModel>(std::move(all), std::move(merges), std::move(options));
}

void add_special_pieces(const SentencePieceModel& model, TokenizerParts& parts) {
  for (const SentencePiece& piece : model.pieces) {
    const bool user_defined = piece.type == PieceType::kUserDefined;
    const bool special = piece.type == PieceType::kControl || piece.type == PieceType::kUnknown;
    if (!user_defined && !special) continue;
    AddedToken token;
    token.content = piece.text;
    token.special = special;
    parts.added.add(std::move(token), parts.model->vocabulary());
  }
}

std::unique_ptr<Normalizer> make_spm_normalizer(const Source& source, bool escape_spaces) {
  const SentencePieceModel& model = source.model;
  SentencePieceNormalizing options;
  if (!model.charsmap.empty()) options.map.emplace(model.charsmap, source.file);
  options.remove_extra_spaces = model.remove_extra_whitespaces;
  options.escape_spaces = escape_spaces;
  std::vector<std::unique_ptr<Normalizer>> steps;
  if (source.config.do_lower_case.value_or(false)) steps.push_back(make_lowercase_normalizer());
  if (options.map || options.remove_extra_spaces || escape_spaces) {
    steps.push_back(make_sentencepiece_normalizer(std::move(options)));
  }
  if (steps.empty()) return nullptr;
  return make_normalizer_sequence(std::move(steps));
}

// The space in front of a text, or of every stretch of it between special tokens.
void add_prefix(const Source& source, bool metaspace, TokenizerParts& parts) {
  if (metaspace) {
    parts.pre_tokenizer = make_metaspace_chain();
    return;
  }
  const bool every = source.deberta() || source.config.legacy.value_or(false);
  parts.pre_tokenizer =
      make_prefix_chain(source.model.escape_whitespaces ? kSpacePrefix : " ",
                        every ? PrefixScope::kEverySection : PrefixScope::kTextStart);
}

void add_roles(const Source& source, TokenizerParts& parts) {
  const auto known = [&](std::int32_t id) {
    return parts.model->vocabulary().contains(id) ? id : -1;
  };
  const SentencePieceModel& model = source.model;
  parts.roles = {known(model.bos_id), known(model.eos_id), known(model.pad_id),
                 known(model.unk_id)};
}

void add_frame(const Source& source, TokenizerParts& parts) {
  if (source.config.add_bos_token.value_or(true) && parts.roles.bos >= 0) {
    parts.frame.prefix.push_back(parts.roles.bos);
  }
  if (source.config.add_eos_token.value_or(false) && parts.roles.eos >= 0) {
    parts.frame.suffix.push_back(parts.roles.eos);
  }
}

void add_deberta_frame(const Source& source, TokenizerParts& parts) {
  const auto id_of = [&](const std::optional<AddedToken>& token, const char* fallback) {
    const std::string name = token ? token->content : fallback;
    const std::int32_t id = parts.model->vocabulary().find(name);
    if (id < 0) source.fail("has no piece " + name);
    return id;
  };
  parts.templates =
      bert_templates(id_of(source.config.cls, "[CLS]"), id_of(source.config.sep, "[SEP]"));
  parts.frame = frame_of(parts.templates.single);
  if (source.config.mask) return;  // added with the other tokens of the configuration
  AddedToken mask;
  mask.content = "[MASK]";
  mask.special = true;
  parts.added.add(std::move(mask), parts.model->vocabulary());
}

}  // namespace

bool is_deberta(const TokenizerConfig& config) {
  return config.tokenizer_class == "DebertaV2Tokenizer" || config.model_type == "deberta-v2";
}

TokenizerParts read_sentencepiece_tokenizer(std::string_view bytes, const std::string& file,
                                            const TokenizerConfig& config, SentencePieceRule rule) {
  const SentencePieceModel model = read_sentencepiece_model(bytes, file);
  const Source source{model, file, config, rule};
  check_supported(source);
  TokenizerParts parts;
  parts.model = source.unigram() ? make_unigram_model(model) : make_byte_pair_model(model, rule);
  add_special_pieces(model, parts);
  const bool has_prefix = config.add_prefix_space.value_or(model.add_dummy_prefix);
  const bool metaspace =
      rule == SentencePieceRule::kTransformers5 && has_prefix && model.escape_whitespaces;
  parts.normalizer = make_spm_normalizer(source, model.escape_whitespaces && !metaspace);
  if (has_prefix) add_prefix(source, metaspace, parts);
  parts.decoder = make_sentencepiece_decoder(has_prefix);
  add_roles(source, parts);
  if (source.deberta()) {
    add_deberta_frame(source, parts);
  } else {
    add_frame(source, parts);
  }
  return parts;
}

}  // namespace svtune
