#include "text/vocabulary.h"

#include <bit>
#include <cstring>

#include "text/word_hash.h"

namespace svtune {

void Vocabulary::reserve(std::size_t tokens, std::size_t bytes) {
  arena_.reserve(bytes);
  by_id_.reserve(tokens);
  grow(std::bit_ceil(tokens * 2 + 16));
}

void Vocabulary::grow(std::size_t slots) {
  if (slots <= slots_.size()) return;
  std::vector<Slot> old(slots);
  old.swap(slots_);
  const std::size_t mask = slots - 1;
  for (const Slot& slot : old) {
    if (slot.id == kFree) continue;
    std::size_t at = slot.hash & mask;
    while (slots_[at].id != kFree) at = (at + 1) & mask;
    slots_[at] = slot;
  }
}

std::size_t Vocabulary::find_slot(std::string_view token, std::uint32_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  for (; slots_[at].id != kFree; at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    const bool equal = slot.hash == hash && slot.length == token.size() &&
                       std::memcmp(arena_.data() + slot.offset, token.data(), token.size()) == 0;
    if (equal) break;
  }
  return at;
}

void Vocabulary::add(std::string_view token, std::int32_t id) {
  const std::size_t needed = (static_cast<std::size_t>(size_) + 1) * 2;
  if (slots_.size() < needed) grow(std::bit_ceil(needed * 2 + 64));
  const auto hash = static_cast<std::uint32_t>(detail::hash_word(token));
  Slot& slot = slots_[find_slot(token, hash)];
  if (slot.id == kFree) {
    slot.hash = hash;
    slot.offset = static_cast<std::uint32_t>(arena_.size());
    slot.length = static_cast<std::uint32_t>(token.size());
    arena_.append(token);
    ++size_;
  }
  slot.id = id;
  if (static_cast<std::size_t>(id) >= by_id_.size()) by_id_.resize(id + 1);
  by_id_[id] = {slot.offset, slot.length + 1};
}

void Vocabulary::prefetch(std::string_view token) const {
  if (slots_.empty()) return;
  const auto hash = static_cast<std::uint32_t>(detail::hash_word(token));
  __builtin_prefetch(&slots_[hash & (slots_.size() - 1)]);
}

std::int32_t Vocabulary::find(std::string_view token) const {
  if (slots_.empty()) return -1;
  return slots_[find_slot(token, static_cast<std::uint32_t>(detail::hash_word(token)))].id;
}

bool Vocabulary::contains(std::int32_t id) const {
  return id >= 0 && id < end_id() && by_id_[id].length_plus_one != 0;
}

std::string_view Vocabulary::token(std::int32_t id) const {
  if (!contains(id)) return {};
  return {arena_.data() + by_id_[id].offset, by_id_[id].length_plus_one - 1};
}

}  // namespace svtune
