#include "text/wordpiece_model.h"

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "text/utf8.h"
#include "text/word_cache.h"

namespace svtune {
namespace {

std::size_t count_characters(std::string_view word) {
  return static_cast<std::size_t>(std::ranges::count_if(
      word, [](char c) { return (static_cast<std::uint8_t>(c) & 0xC0) != 0x80; }));
}

}  // namespace

WordPieceModel::WordPieceModel(Vocabulary vocabulary, WordPieceOptions options)
    : vocabulary_(std::move(vocabulary)),
      options_(std::move(options)),
      unk_id_(vocabulary_.find(options_.unk_token)),
      cache_owner_(detail::next_cache_owner()) {
  for (std::int32_t id = 0; id < vocabulary_.end_id(); ++id) {
    longest_token_ = std::max(longest_token_, vocabulary_.token(id).size());
  }
}

void WordPieceModel::encode(std::string_view word, std::vector<std::int32_t>& out) const {
  if (word.empty()) return;
  if (word.size() > detail::WordCache::kMaxBytes) return cut_word(word, out);
  detail::WordCache& cache = detail::thread_cache();
  if (cache.find(cache_owner_, word, out)) return;
  const std::size_t before = out.size();
  cut_word(word, out);
  cache.insert(cache_owner_, word, {out.data() + before, out.size() - before});
}

WordPieceModel::Match WordPieceModel::longest_at(std::string_view word, std::size_t at) const {
  thread_local std::string token;
  token.assign(at > 0 ? options_.prefix : std::string());
  const std::size_t prefix = token.size();
  const std::size_t room = longest_token_ > prefix ? longest_token_ - prefix : 0;
  token.append(word.substr(at, room));
  while (token.size() > prefix) {
    // The cut may have gone through a character; no token matches half of one.
    const std::int32_t id = vocabulary_.find(token);
    if (id >= 0) return {id, token.size() - prefix};
    token.resize(std::max(utf8_previous(token, token.size()), prefix));
  }
  return {};
}

void WordPieceModel::cut_word(std::string_view word, std::vector<std::int32_t>& out) const {
  const std::size_t before = out.size();
  bool whole = count_characters(word) <= options_.max_characters;
  for (std::size_t at = 0; whole && at < word.size();) {
    const Match match = longest_at(word, at);
    whole = match.id >= 0;
    out.push_back(match.id);
    at += match.bytes;
  }
  if (whole) return;
  out.resize(before);
  if (unk_id_ < 0) {
    throw Error("the text needs the unknown token \"" + options_.unk_token + "\" for \"" +
                std::string(word) + "\", but the vocabulary does not contain it");
  }
  out.push_back(unk_id_);
}

}  // namespace svtune
