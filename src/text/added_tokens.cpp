#include "text/added_tokens.h"

#include <algorithm>
#include <utility>

#include "text/unicode_class.h"
#include "text/utf8.h"

namespace svtune {
namespace {

bool word_ends_at(std::string_view text, std::size_t at) {
  return at > 0 && is_word_character(utf8_at(text, utf8_previous(text, at)));
}

bool word_starts_at(std::string_view text, std::size_t at) {
  return at < text.size() && is_word_character(utf8_at(text, at));
}

// Start of the white space that ends at `at`.
std::size_t space_before(std::string_view text, std::size_t at) {
  while (at > 0) {
    const std::size_t previous = utf8_previous(text, at);
    if (!is_white_space(utf8_at(text, previous))) break;
    at = previous;
  }
  return at;
}

std::size_t space_after(std::string_view text, std::size_t at) {
  while (at < text.size() && is_white_space(utf8_at(text, at))) at += utf8_length(text[at]);
  return at;
}

}  // namespace

std::int32_t TokenTrie::child(std::int32_t node, std::uint8_t byte) const {
  std::int32_t at = nodes_[node].first_child;
  while (at >= 0 && nodes_[at].byte != byte) at = nodes_[at].next_sibling;
  return at;
}

void TokenTrie::add(std::string_view text, std::int32_t value) {
  if (text.empty()) return;
  starts_[static_cast<std::uint8_t>(text[0])] = true;
  std::int32_t node = 0;
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    std::int32_t next = child(node, byte);
    if (next < 0) {
      next = static_cast<std::int32_t>(nodes_.size());
      nodes_.push_back({byte, -1, nodes_[node].first_child, -1});
      nodes_[node].first_child = next;
    }
    node = next;
  }
  nodes_[node].value = value;
}

TokenTrie::Match TokenTrie::longest_at(std::string_view text, std::size_t at) const {
  Match best;
  std::int32_t node = 0;
  for (std::size_t i = at; i < text.size(); ++i) {
    node = child(node, static_cast<std::uint8_t>(text[i]));
    if (node < 0) break;
    if (nodes_[node].value >= 0) best = {nodes_[node].value, i + 1 - at};
  }
  return best;
}

std::size_t TokenTrie::next_candidate(std::string_view text, std::size_t at) const {
  while (at < text.size() && !starts_[static_cast<std::uint8_t>(text[at])]) ++at;
  return at;
}

void AddedTokens::add(AddedToken token, const Vocabulary& model) {
  if (token.content.empty()) return;
  const std::int32_t known = by_content_.find(token.content);
  if (known >= 0) {
    entries_[known].token = std::move(token);
    return;
  }
  std::int32_t id = model.find(token.content);
  if (id < 0) id = std::max(end_id_, model.size());
  by_content_.add(token.content, static_cast<std::int32_t>(entries_.size()));
  if (static_cast<std::size_t>(id) >= entry_of_id_.size()) entry_of_id_.resize(id + 1, -1);
  entry_of_id_[id] = static_cast<std::int32_t>(entries_.size());
  entries_.push_back({std::move(token), id, {}});
  end_id_ = std::max(end_id_, id + 1);
}

void AddedTokens::finish(const Normalizer* normalizer) {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const AddedToken& token = entries_[i].token;
    std::string& form = entries_[i].shown;
    form = token.content;
    if (token.normalized && normalizer != nullptr) normalizer->apply(form);
    (token.normalized ? normalized_ : raw_).add(form, static_cast<std::int32_t>(i));
  }
}

std::optional<std::int32_t> AddedTokens::find(std::string_view content) const {
  const std::int32_t entry = by_content_.find(content);
  if (entry < 0) return std::nullopt;
  return entries_[entry].id;
}

const AddedToken* AddedTokens::find(std::int32_t id) const {
  const bool known =
      id >= 0 && static_cast<std::size_t>(id) < entry_of_id_.size() && entry_of_id_[id] >= 0;
  return known ? &entries_[entry_of_id_[id]].token : nullptr;
}

void AddedTokens::split(const TokenTrie& trie, std::string_view text, SectionSink sink) const {
  if (trie.empty()) {
    if (!text.empty()) sink({text, 0, -1});
    return;
  }
  std::size_t pending = 0;  // start of the text that no token has taken yet
  const auto emit = [&](std::size_t begin, std::size_t end, std::int32_t id) {
    if (begin < end) sink({text.substr(begin, end - begin), begin, id});
  };
  std::size_t at = trie.next_candidate(text, 0);
  while (at < text.size()) {
    const TokenTrie::Match match = trie.longest_at(text, at);
    if (match.length == 0) {
      at = trie.next_candidate(text, at + 1);
      continue;
    }
    const AddedToken& token = entries_[match.value].token;
    std::size_t begin = at;
    std::size_t end = at + match.length;
    at = trie.next_candidate(text, end);
    if (token.single_word && (word_ends_at(text, begin) || word_starts_at(text, end))) continue;
    if (token.lstrip) begin = std::max(space_before(text, begin), pending);
    if (token.rstrip) end = space_after(text, end);
    emit(pending, begin, -1);
    emit(begin, end, entries_[match.value].id);
    pending = end;
  }
  emit(pending, text.size(), -1);
}

}  // namespace svtune
