// Two-way map between token strings and ids: one arena of bytes, an open-addressing table for
// string to id and an array for id to string.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace svtune {

// Ids beyond this are refused by the loaders, so that a file cannot ask for a huge table.
inline constexpr std::int64_t kMaxTokenId = (std::int64_t{1} << 22) - 1;

class Vocabulary {
 public:
  // Prepares for this many tokens with this many bytes in total.
  void reserve(std::size_t tokens, std::size_t bytes);

  // Requires: 0 <= id <= kMaxTokenId. A token added again takes the new id; an id added again
  // keeps the strings of both and is shown as the last.
  void add(std::string_view token, std::int32_t id);

  // Starts loading what find(token) will touch; loaders look up millions of tokens in tables
  // larger than the processor's caches.
  void prefetch(std::string_view token) const;

  // Id of a token, or -1.
  std::int32_t find(std::string_view token) const;
  // String of an id, or an empty view when there is none.
  std::string_view token(std::int32_t id) const;
  bool contains(std::int32_t id) const;

  // Number of different strings.
  std::int32_t size() const { return size_; }
  // Highest id + 1.
  std::int32_t end_id() const { return static_cast<std::int32_t>(by_id_.size()); }

 private:
  static constexpr std::int32_t kFree = -1;
  // All that a look-up needs but the bytes, so that it touches two cache lines.
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t offset = 0;
    std::uint32_t length = 0;
    std::int32_t id = kFree;
  };
  struct Spelling {
    std::uint32_t offset = 0;
    std::uint32_t length_plus_one = 0;  // 0: no such id
  };

  std::size_t find_slot(std::string_view token, std::uint32_t hash) const;
  void grow(std::size_t slots);

  std::string arena_;
  std::vector<Slot> slots_;
  std::vector<Spelling> by_id_;
  std::int32_t size_ = 0;
};

}  // namespace svtune
