// All strings of a set that a text starts with, found in one pass. Built once; the children of a
// node lie side by side, so that a step is one search among their bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace svtune {

class PrefixTrie {
 public:
  struct Entry {
    std::string_view text;  // empty ones are never found
    std::int32_t value;     // >= 0
  };
  PrefixTrie() : nodes_(1), bytes_(1) {}
  // Of entries with equal text the last counts.
  explicit PrefixTrie(std::span<const Entry> entries);

  // Calls found(length, value) for every entry that starts at `at`, the shortest first.
  template <typename Found>
  void for_each_prefix(std::string_view text, std::size_t at, Found found) const {
    const Node* node = nodes_.data();
    for (std::size_t i = at; i < text.size() && node->child_count > 0; ++i) {
      const char* first = bytes_.data() + node->first_child;
      const void* hit = std::memchr(first, static_cast<std::uint8_t>(text[i]), node->child_count);
      if (hit == nullptr) return;
      node = nodes_.data() + node->first_child + (static_cast<const char*>(hit) - first);
      if (node->value >= 0) found(i + 1 - at, node->value);
    }
  }

 private:
  struct Node {
    std::uint32_t first_child = 0;
    std::uint32_t child_count = 0;
    std::int32_t value = -1;
  };
  std::vector<Node> nodes_;  // level by level; node 0 is the root
  std::vector<char> bytes_;  // by which a node is reached from its parent
};

}  // namespace svtune
