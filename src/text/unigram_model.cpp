#include "text/unigram_model.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/errors.h"
#include "text/utf8.h"
#include "text/word_cache.h"

namespace svtune {
namespace {

constexpr double kUnknownPenalty = 10;  // below the lowest score; both packages use it
constexpr double kUserDefinedScore = -0.1;

// The best cut of the text that ends at some byte.
template <typename Sum>
struct PathEnd {
  Sum sum = 0;
  std::int64_t begin = -1;  // where its last token begins; -1: no cut ends here yet
  std::int32_t id = -1;

  void offer(std::int32_t new_id, Sum new_sum, std::size_t new_begin) {
    if (begin >= 0 && new_sum <= sum) return;
    *this = {new_sum, static_cast<std::int64_t>(new_begin), new_id};
  }
};

}  // namespace

UnigramModel::UnigramModel(const std::vector<UnigramToken>& tokens, UnigramOptions options)
    : options_(options), cache_owner_(detail::next_cache_owner()) {
  using Use = UnigramToken::Use;
  double lowest = std::numeric_limits<float>::max();
  std::vector<PrefixTrie::Entry> searched;
  vocabulary_.reserve(tokens.size(), tokens.size() * 8);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const UnigramToken& token = tokens[i];
    const auto id = static_cast<std::int32_t>(i);
    vocabulary_.add(token.text, id);
    scores_.push_back(token.use == Use::kUserDefined ? kUserDefinedScore : token.score);
    if (token.use == Use::kSearched) lowest = std::min(lowest, token.score);
    if (token.use != Use::kOnlyById) searched.push_back({token.text, id});
  }
  trie_ = PrefixTrie(searched);
  unk_score_ = lowest - kUnknownPenalty;
  byte_ids_ = find_byte_tokens(vocabulary_);
}

void UnigramModel::encode(std::string_view word, std::vector<std::int32_t>& out) const {
  if (word.empty()) return;
  if (word.size() > detail::WordCache::kMaxBytes) return cut(word, out);
  detail::WordCache& cache = detail::thread_cache();
  if (cache.find(cache_owner_, word, out)) return;
  const std::size_t before = out.size();
  cut(word, out);
  cache.insert(cache_owner_, word, {out.data() + before, out.size() - before});
}

void UnigramModel::cut(std::string_view word, std::vector<std::int32_t>& out) const {
  if (options_.arithmetic == UnigramArithmetic::kSentencePiece) {
    search<float>(word, out);
  } else {
    search<double>(word, out);
  }
}

template <typename Sum>
void UnigramModel::search(std::string_view word, std::vector<std::int32_t>& out) const {
  thread_local std::vector<PathEnd<Sum>> ends;
  ends.assign(word.size() + 1, {});
  const Sum unknown = static_cast<Sum>(unk_score_);
  for (std::size_t at = 0; at < word.size();) {
    const std::size_t character = utf8_length(word[at]);
    const Sum sum = ends[at].sum;
    bool has_character = false;
    trie_.for_each_prefix(word, at, [&](std::size_t length, std::int32_t id) {
      ends[at + length].offer(id, static_cast<Sum>(scores_[id]) + sum, at);
      has_character = has_character || length == character;
    });
    if (!has_character) ends[at + character].offer(options_.unk_id, unknown + sum, at);
    at += character;
  }
  // Backwards: the tokens of the best cut, runs of unknown ones joined.
  struct Part {
    std::size_t begin, end;
    std::int32_t id;
  };
  thread_local std::vector<Part> parts;
  parts.clear();
  for (std::size_t end = word.size(); end > 0;) {
    const auto begin = static_cast<std::size_t>(ends[end].begin);
    const std::int32_t id = ends[end].id;
    if (!parts.empty() && id == options_.unk_id && parts.back().id == id) {
      parts.back().begin = begin;
    } else {
      parts.push_back({begin, end, id});
    }
    end = begin;
  }
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (part->id == options_.unk_id) {
      append_unknown(word.substr(part->begin, part->end - part->begin), out);
    } else {
      out.push_back(part->id);
    }
  }
}

void UnigramModel::append_unknown(std::string_view run, std::vector<std::int32_t>& out) const {
  // `tokenizers` looks the run up again, so that the unknown token's own spelling stays whole.
  const bool spelled = options_.arithmetic == UnigramArithmetic::kTokenizers;
  if (const std::int32_t id = spelled ? vocabulary_.find(run) : -1; id >= 0) {
    out.push_back(id);
    return;
  }
  if (options_.byte_fallback && append_byte_tokens(byte_ids_, run, out)) return;
  if (options_.unk_id < 0) {
    throw Error("the text needs the unknown token for \"" + std::string(run) +
                "\", but the tokenizer names none");
  }
  out.push_back(options_.unk_id);
}

}  // namespace svtune
