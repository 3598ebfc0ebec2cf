// Byte-pair merging: a table of merges (pair of ids -> rank and merged id) and the greedy
// algorithm of Sennrich et al. 2016, section 3.2, that always joins the pair of lowest rank,
// leftmost first. Short words use a linear scan per merge, long ones a heap: O(n log n).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace svtune {

class MergeTable {
 public:
  struct Merge {
    std::uint32_t rank;  // kNone when the pair does not merge
    std::int32_t id;
  };
  static constexpr std::uint32_t kNone = UINT32_MAX;

  void reserve(std::size_t merges);
  // A pair given again takes the new rank. Requires: left, right, id >= 0.
  void set(std::int32_t left, std::int32_t right, std::uint32_t rank, std::int32_t id);
  Merge find(std::int32_t left, std::int32_t right) const;
  // Starts loading what set or find of this pair will touch.
  void prefetch(std::int32_t left, std::int32_t right) const;
  std::size_t size() const { return count_; }

 private:
  struct Slot {
    std::uint64_t pair = kFree;
    Merge merge{kNone, -1};
  };
  static constexpr std::uint64_t kFree = UINT64_MAX;
  std::size_t first_slot(std::uint64_t pair) const;
  std::size_t find_slot(std::uint64_t pair) const;
  void grow(std::size_t slots);

  std::vector<Slot> slots_;
  std::size_t count_ = 0;
};

// Joins symbols in place until no pair merges.
void merge_symbols(const MergeTable& merges, std::vector<std::int32_t>& symbols);

}  // namespace svtune
