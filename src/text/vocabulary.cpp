#include "text/vocabulary.h"

#include <algorithm>
#include <bit>

#include "text/word_hash.h"

namespace svtune {

void Vocabulary::reserve(std::size_t tokens, std::size_t bytes) {
  arena_.reserve(bytes);
  entries_.reserve(tokens);
  grow(std::bit_ceil(tokens * 2 + 16));
}

void Vocabulary::grow(std::size_t slots) {
  if (slots <= slots_.size()) return;
  slots_.assign(slots, Slot{});
  const std::size_t mask = slots - 1;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const auto hash = static_cast<std::uint32_t>(detail::hash_word(text(entries_[i])));
    std::size_t at = hash & mask;
    while (slots_[at].entry_plus_one != 0) at = (at + 1) & mask;
    slots_[at] = {hash, static_cast<std::uint32_t>(i + 1)};
  }
}

std::size_t Vocabulary::find_slot(std::string_view token, std::uint32_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  for (; slots_[at].entry_plus_one != 0; at = (at + 1) & mask) {
    if (slots_[at].hash == hash && text(entries_[slots_[at].entry_plus_one - 1]) == token) break;
  }
  return at;
}

void Vocabulary::add(std::string_view token, std::int32_t id) {
  if (slots_.size() < (entries_.size() + 1) * 2) grow(std::bit_ceil(entries_.size() * 4 + 64));
  const auto hash = static_cast<std::uint32_t>(detail::hash_word(token));
  const std::size_t at = find_slot(token, hash);
  if (slots_[at].entry_plus_one == 0) {
    entries_.push_back(
        {static_cast<std::uint32_t>(arena_.size()), static_cast<std::uint32_t>(token.size()), id});
    arena_.append(token);
    slots_[at] = {hash, static_cast<std::uint32_t>(entries_.size())};
  }
  const std::uint32_t entry_plus_one = slots_[at].entry_plus_one;
  entries_[entry_plus_one - 1].id = id;
  if (static_cast<std::size_t>(id) >= entry_of_id_.size()) entry_of_id_.resize(id + 1, 0);
  entry_of_id_[id] = entry_plus_one;
}

std::int32_t Vocabulary::find(std::string_view token) const {
  if (slots_.empty()) return -1;
  const auto hash = static_cast<std::uint32_t>(detail::hash_word(token));
  const Slot& slot = slots_[find_slot(token, hash)];
  return slot.entry_plus_one == 0 ? -1 : entries_[slot.entry_plus_one - 1].id;
}

bool Vocabulary::contains(std::int32_t id) const {
  return id >= 0 && id < end_id() && entry_of_id_[id] != 0;
}

std::string_view Vocabulary::token(std::int32_t id) const {
  return contains(id) ? text(entries_[entry_of_id_[id] - 1]) : std::string_view();
}

}  // namespace svtune
