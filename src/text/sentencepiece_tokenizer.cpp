#include "text/sentencepiece_tokenizer.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "text/ranked_merges.h"
#include "text/sentencepiece_model.h"

namespace svtune {
namespace {

constexpr const char* kSpaceSymbol = "\xE2\x96\x81";  // U+2581
constexpr int kBytePairModel = 2;
constexpr const char* kHint = "Use a model directory that also holds tokenizer.json.";

void check_supported(const SentencePieceModel& model, const std::string& file) {
  const auto fail = [&](const std::string& what) { throw FileError(file, what, kHint); };
  if (model.model_type != kBytePairModel) {
    const std::string name = model.model_type == 1 ? "unigram" : "word or character";
    fail("is a SentencePiece " + name + " model; only byte-pair models are supported");
  }
  if (model.has_charsmap) {
    fail("normalises text by the character map \"" + model.normalizer_name +
         "\", which is not supported");
  }
  if (model.whitespace_as_suffix) fail("treats white space as a suffix, which is not supported");
  for (const SentencePiece& piece : model.pieces) {
    if (piece.type == PieceType::kUnused) {
      fail("piece \"" + piece.text + "\" is of type UNUSED, which is not supported");
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

std::unique_ptr<BpeModel> make_model(const SentencePieceModel& model, SentencePieceRule rule) {
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

std::unique_ptr<Normalizer> make_spm_normalizer(const SentencePieceModel& model,
                                                bool escape_spaces) {
  std::vector<std::unique_ptr<Normalizer>> steps;
  if (model.remove_extra_whitespaces) {
    steps.push_back(make_strip_normalizer(true, true));
    steps.push_back(make_collapse_spaces_normalizer());
  }
  if (escape_spaces) steps.push_back(make_replace_normalizer(" ", kSpaceSymbol));
  if (steps.empty()) return nullptr;
  return make_normalizer_sequence(std::move(steps));
}

}  // namespace

TokenizerParts read_sentencepiece_tokenizer(std::string_view bytes, const std::string& file,
                                            const TokenizerConfig& config, SentencePieceRule rule) {
  const SentencePieceModel model = read_sentencepiece_model(bytes, file);
  check_supported(model, file);
  TokenizerParts parts;
  parts.model = make_model(model, rule);
  add_special_pieces(model, parts);
  const bool has_prefix = config.add_prefix_space.value_or(model.add_dummy_prefix);
  const bool metaspace =
      rule == SentencePieceRule::kTransformers5 && has_prefix && model.escape_whitespaces;
  parts.normalizer = make_spm_normalizer(model, model.escape_whitespaces && !metaspace);
  if (metaspace) {
    parts.pre_tokenizer = make_metaspace_chain();
  } else if (has_prefix) {
    const bool legacy = config.legacy.value_or(false);
    parts.pre_tokenizer =
        make_prefix_chain(model.escape_whitespaces ? kSpaceSymbol : " ",
                          legacy ? PrefixScope::kEverySection : PrefixScope::kTextStart);
  }
  parts.decoder = make_sentencepiece_decoder(has_prefix);
  const auto known = [&](std::int32_t id) {
    return parts.model->vocabulary().contains(id) ? id : -1;
  };
  parts.roles = {known(model.bos_id), known(model.eos_id), known(model.pad_id),
                 known(model.unk_id)};
  if (config.add_bos_token.value_or(true) && parts.roles.bos >= 0) {
    parts.frame.prefix.push_back(parts.roles.bos);
  }
  if (config.add_eos_token.value_or(false) && parts.roles.eos >= 0) {
    parts.frame.suffix.push_back(parts.roles.eos);
  }
  return parts;
}

}  // namespace svtune
