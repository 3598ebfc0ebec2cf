#include "text/prefix_trie.h"

#include <algorithm>

namespace svtune {
namespace {

// Sorted entries that share their first `depth` bytes, and the node these lead to.
struct Branch {
  std::size_t begin;
  std::size_t end;
  std::size_t depth;
  std::size_t node;
};

}  // namespace

PrefixTrie::PrefixTrie(std::span<const Entry> entries) : PrefixTrie() {
  std::vector<Entry> sorted(entries.begin(), entries.end());
  std::ranges::stable_sort(sorted, {}, &Entry::text);
  std::vector<Branch> level = {{0, sorted.size(), 0, 0}};
  while (!level.empty()) {
    std::vector<Branch> next;
    for (const Branch& branch : level) {
      std::size_t at = branch.begin;
      // Entries that end here stand before their extensions.
      for (; at < branch.end && sorted[at].text.size() == branch.depth; ++at) {
        if (branch.depth > 0) nodes_[branch.node].value = sorted[at].value;
      }
      nodes_[branch.node].first_child = static_cast<std::uint32_t>(nodes_.size());
      while (at < branch.end) {
        const char byte = sorted[at].text[branch.depth];
        const std::size_t begin = at;
        while (at < branch.end && sorted[at].text[branch.depth] == byte) ++at;
        next.push_back({begin, at, branch.depth + 1, nodes_.size()});
        nodes_.emplace_back();
        bytes_.push_back(byte);
        ++nodes_[branch.node].child_count;
      }
    }
    level = std::move(next);
  }
}

}  // namespace svtune
