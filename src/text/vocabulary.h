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

  // Id of a token, or -1.
  std::int32_t find(std::string_view token) const;
  // String of an id, or an empty view when there is none.
  std::string_view token(std::int32_t id) const;
  bool contains(std::int32_t id) const;

  // Number of different strings.
  std::int32_t size() const { return static_cast<std::int32_t>(entries_.size()); }
  // Highest id + 1.
  std::int32_t end_id() const { return static_cast<std::int32_t>(entry_of_id_.size()); }

 private:
  struct Entry {
    std::uint32_t offset;
    std::uint32_t length;
    std::int32_t id;
  };
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t entry_plus_one = 0;  // 0: free
  };

  std::string_view text(const Entry& entry) const {
    return {arena_.data() + entry.offset, entry.length};
  }
  std::size_t find_slot(std::string_view token, std::uint32_t hash) const;
  void grow(std::size_t slots);

  std::string arena_;
  std::vector<Entry> entries_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> entry_of_id_;  // entry + 1, 0: no such id
};

}  // namespace svtune
