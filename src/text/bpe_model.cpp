#include "text/bpe_model.h"

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "text/byte_level.h"
#include "text/utf8.h"
#include "text/word_cache.h"

namespace svtune {
namespace {

constexpr std::string_view kWordStart = "\xE2\x96\x81";  // U+2581, SentencePiece's space

// Position of the first word start behind `from` that follows another character, or npos.
std::size_t next_word_start(std::string_view word, std::size_t from) {
  for (std::size_t at = word.find(kWordStart, from); at != std::string_view::npos;
       at = word.find(kWordStart, at + kWordStart.size())) {
    const bool follows_another =
        at >= kWordStart.size() && word.substr(at - kWordStart.size(), 3) == kWordStart;
    if (at > 0 && !follows_another) return at;
  }
  return std::string_view::npos;
}

}  // namespace

BpeModel::BpeModel(Vocabulary vocabulary, MergeTable merges, BpeOptions options)
    : vocabulary_(std::move(vocabulary)),
      merges_(std::move(merges)),
      options_(std::move(options)),
      cache_owner_(detail::next_cache_owner()) {
  if (!options_.unk_token.empty()) unk_id_ = vocabulary_.find(options_.unk_token);
  byte_ids_ = find_byte_tokens(vocabulary_);
  for (int byte = 0; byte < 256; ++byte) {
    std::string symbol;
    const char raw = static_cast<char>(byte);
    append_byte_level(symbol, {&raw, 1});
    byte_symbols_[byte] = vocabulary_.find(symbol);
  }
  splits_at_word_starts_ = no_token_crosses_word_starts();
}

// Without a token in which U+2581 follows another character, no merge can cross such a place,
// so a text may be cut there and its words cached. Unknown runs must not be fused across it.
bool BpeModel::no_token_crosses_word_starts() const {
  if (options_.byte_level || options_.ignore_merges) return false;
  const bool all_bytes = std::ranges::find(byte_ids_, -1) == byte_ids_.end();
  const bool never_unknown = options_.byte_fallback && all_bytes;
  if (!never_unknown && options_.fuse_unk) return false;
  for (std::int32_t id = 0; id < vocabulary_.end_id(); ++id) {
    if (next_word_start(vocabulary_.token(id), 0) != std::string_view::npos) return false;
  }
  return true;
}

void BpeModel::encode(std::string_view word, std::vector<std::int32_t>& out) const {
  if (word.empty()) return;
  if (!splits_at_word_starts_) return encode_part(word, out);
  for (std::size_t at = 0; at < word.size();) {
    const std::size_t end = std::min(next_word_start(word, at + 1), word.size());
    encode_part(word.substr(at, end - at), out);
    at = end;
  }
}

void BpeModel::encode_part(std::string_view word, std::vector<std::int32_t>& out) const {
  if (word.size() > detail::WordCache::kMaxBytes) return merge_word(word, out);
  detail::WordCache& cache = detail::thread_cache();
  if (cache.find(cache_owner_, word, out)) return;
  const std::size_t before = out.size();
  merge_word(word, out);
  cache.insert(cache_owner_, word, {out.data() + before, out.size() - before});
}

void BpeModel::merge_word(std::string_view word, std::vector<std::int32_t>& out) const {
  if (options_.ignore_merges) {
    const std::int32_t id = whole_word(word);
    if (id >= 0) {
      out.push_back(id);
      return;
    }
  }
  thread_local std::vector<std::int32_t> symbols;
  symbols.clear();
  if (options_.byte_level) {
    split_bytes(word, symbols);
  } else {
    split_characters(word, symbols);
  }
  merge_symbols(merges_, symbols);
  out.insert(out.end(), symbols.begin(), symbols.end());
}

std::int32_t BpeModel::whole_word(std::string_view word) const {
  if (!options_.byte_level) return vocabulary_.find(word);
  thread_local std::string notation;
  notation.clear();
  append_byte_level(notation, word);
  return vocabulary_.find(notation);
}

void BpeModel::split_bytes(std::string_view word, std::vector<std::int32_t>& symbols) const {
  const std::size_t start = symbols.size();
  for (const char c : word) {
    const std::int32_t id = byte_symbols_[static_cast<std::uint8_t>(c)];
    if (id < 0) {  // rare: a vocabulary without all bytes
      symbols.resize(start);
      std::string notation;
      append_byte_level(notation, word);
      return split_characters(notation, symbols);
    }
    symbols.push_back(id);
  }
}

void BpeModel::split_characters(std::string_view word, std::vector<std::int32_t>& symbols) const {
  bool pending_unknown = false;  // emitted when the next known character shows the run's end
  for (std::size_t at = 0; at < word.size();) {
    const std::string_view character = word.substr(at, utf8_length(word[at]));
    at += character.size();
    const std::int32_t id = vocabulary_.find(character);
    if (id >= 0) {
      if (pending_unknown) symbols.push_back(unk_id_);
      pending_unknown = false;
      symbols.push_back(id);
    } else if (!(options_.byte_fallback && append_byte_tokens(byte_ids_, character, symbols)) &&
               !options_.unk_token.empty()) {
      if (unk_id_ < 0) {
        throw Error("the text needs the unknown token \"" + options_.unk_token + "\" for \"" +
                    std::string(character) + "\", but the vocabulary does not contain it");
      }
      if (pending_unknown && !options_.fuse_unk) symbols.push_back(unk_id_);
      pending_unknown = true;
    }
  }
  if (pending_unknown) symbols.push_back(unk_id_);
}

}  // namespace svtune
