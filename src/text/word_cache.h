// Remembers the ids of short words: text repeats words so often that most are found here and
// need no merging. Direct-mapped, fixed size, one cache line per slot; a new word simply
// replaces the old one. Each thread has its own, shared by all tokenizers of the process.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "text/word_hash.h"

namespace svtune::detail {

class WordCache {
 public:
  static constexpr std::size_t kMaxBytes = 24;
  static constexpr std::size_t kMaxIds = 8;

  WordCache() : slots_(kSlots) {}

  // Appends the ids of `word` as remembered for `owner` (never 0) and returns true, or returns
  // false. Requires: word.size() <= kMaxBytes.
  bool find(std::uint32_t owner, std::string_view word, std::vector<std::int32_t>& out) const {
    const Slot& slot = slots_[index(owner, word)];
    if (slot.owner != owner || slot.bytes != word.size() ||
        std::memcmp(slot.word.data(), word.data(), word.size()) != 0) {
      return false;
    }
    out.insert(out.end(), slot.ids.begin(), slot.ids.begin() + slot.count);
    return true;
  }

  // Words with more than kMaxIds ids are not remembered.
  void insert(std::uint32_t owner, std::string_view word, std::span<const std::int32_t> ids) {
    if (ids.size() > kMaxIds) return;
    Slot& slot = slots_[index(owner, word)];
    slot.owner = owner;
    slot.bytes = static_cast<std::uint8_t>(word.size());
    slot.count = static_cast<std::uint8_t>(ids.size());
    std::memcpy(slot.word.data(), word.data(), word.size());
    std::copy(ids.begin(), ids.end(), slot.ids.begin());  // may be empty
  }

 private:
  static constexpr std::size_t kSlots = std::size_t{1} << 15;  // 2 MiB
  struct alignas(64) Slot {
    std::uint32_t owner = 0;
    std::uint8_t bytes = 0;
    std::uint8_t count = 0;
    std::array<char, kMaxBytes> word{};
    std::array<std::int32_t, kMaxIds> ids{};
  };

  static std::size_t index(std::uint32_t owner, std::string_view word) {
    return (hash_word(word) + owner) & (kSlots - 1);
  }

  std::vector<Slot> slots_;
};

// Ids that name a model in the per-thread cache; 0 is no model.
inline std::uint32_t next_cache_owner() {
  static std::atomic<std::uint32_t> last{0};
  const std::uint32_t id = ++last;
  return id != 0 ? id : ++last;
}

inline WordCache& thread_cache() {
  thread_local WordCache cache;
  return cache;
}

}  // namespace svtune::detail
