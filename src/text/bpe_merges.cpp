#include "text/bpe_merges.h"

#include <algorithm>
#include <array>
#include <bit>

#include "text/word_hash.h"

namespace svtune {
namespace {

using Merge = MergeTable::Merge;

// Up to this many symbols a scan over all pairs is faster than a heap (measured).
constexpr std::size_t kScanSymbols = 64;

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
}

void merge_by_scan(const MergeTable& merges, std::vector<std::int32_t>& symbols) {
  std::array<Merge, kScanSymbols> pairs;
  std::size_t count = symbols.size();
  for (std::size_t i = 0; i + 1 < count; ++i) pairs[i] = merges.find(symbols[i], symbols[i + 1]);
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i) {
      if (pairs[i].rank < pairs[best].rank) best = i;
    }
    if (pairs[best].rank == MergeTable::kNone) break;
    symbols[best] = pairs[best].id;
    std::copy(symbols.begin() + best + 2, symbols.begin() + count, symbols.begin() + best + 1);
    std::copy(pairs.begin() + best + 1, pairs.begin() + count - 1, pairs.begin() + best);
    --count;
    if (best > 0) pairs[best - 1] = merges.find(symbols[best - 1], symbols[best]);
    if (best + 1 < count) pairs[best] = merges.find(symbols[best], symbols[best + 1]);
  }
  symbols.resize(count);
}

// Merging over a doubly linked list of symbols with a heap of candidate pairs.
class HeapMerger {
 public:
  void run(const MergeTable& merges, std::vector<std::int32_t>& symbols) {
    start(symbols.size());
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) push(merges, symbols, i, false);
    std::make_heap(heap_.begin(), heap_.end());
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end());
      const Candidate top = heap_.back();
      heap_.pop_back();
      const std::uint32_t right = next_[top.at];
      const bool current =
          right != kEnd && symbols[top.at] == top.left && symbols[right] == top.right;
      if (current) join(merges, symbols, top, right);
    }
    std::erase(symbols, kDead);
  }

 private:
  static constexpr std::uint32_t kEnd = UINT32_MAX;
  static constexpr std::int32_t kDead = -1;
  struct Candidate {
    std::uint32_t rank;
    std::uint32_t at;
    std::int32_t left;
    std::int32_t right;
    std::int32_t id;
    // std heaps give the largest element, so lower rank and then lower position is "larger".
    bool operator<(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };

  void start(std::size_t count) {
    heap_.clear();
    next_.resize(count);
    previous_.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      next_[i] = i + 1 < count ? static_cast<std::uint32_t>(i + 1) : kEnd;
      previous_[i] = i > 0 ? static_cast<std::uint32_t>(i - 1) : kEnd;
    }
  }

  void push(const MergeTable& merges, const std::vector<std::int32_t>& symbols, std::size_t at,
            bool sift) {
    const std::int32_t left = symbols[at];
    const std::int32_t right = symbols[next_[at]];
    const Merge merge = merges.find(left, right);
    if (merge.rank == MergeTable::kNone) return;
    heap_.push_back({merge.rank, static_cast<std::uint32_t>(at), left, right, merge.id});
    if (sift) std::push_heap(heap_.begin(), heap_.end());
  }

  void join(const MergeTable& merges, std::vector<std::int32_t>& symbols, const Candidate& top,
            std::uint32_t right) {
    symbols[top.at] = top.id;
    symbols[right] = kDead;
    next_[top.at] = next_[right];
    if (next_[right] != kEnd) previous_[next_[right]] = top.at;
    next_[right] = kEnd;
    if (previous_[top.at] != kEnd) push(merges, symbols, previous_[top.at], true);
    if (next_[top.at] != kEnd) push(merges, symbols, top.at, true);
  }

  std::vector<Candidate> heap_;
  std::vector<std::uint32_t> next_;
  std::vector<std::uint32_t> previous_;
};

}  // namespace

void MergeTable::reserve(std::size_t merges) { grow(std::bit_ceil(merges * 2 + 16)); }

void MergeTable::grow(std::size_t slots) {
  if (slots <= slots_.size()) return;
  std::vector<Slot> old(slots);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.pair != kFree) slots_[find_slot(slot.pair)] = slot;
  }
}

std::size_t MergeTable::first_slot(std::uint64_t pair) const {
  return detail::mix_hash(pair * 0x9E3779B97F4A7C15ULL) & (slots_.size() - 1);
}

void MergeTable::prefetch(std::int32_t left, std::int32_t right) const {
  if (!slots_.empty()) __builtin_prefetch(&slots_[first_slot(pair_key(left, right))]);
}

std::size_t MergeTable::find_slot(std::uint64_t pair) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = first_slot(pair);
  while (slots_[at].pair != pair && slots_[at].pair != kFree) at = (at + 1) & mask;
  return at;
}

void MergeTable::set(std::int32_t left, std::int32_t right, std::uint32_t rank, std::int32_t id) {
  if (slots_.size() < (count_ + 1) * 2) grow(std::bit_ceil(count_ * 4 + 64));
  const std::uint64_t pair = pair_key(left, right);
  Slot& slot = slots_[find_slot(pair)];
  if (slot.pair == kFree) ++count_;
  slot = {pair, {rank, id}};
}

Merge MergeTable::find(std::int32_t left, std::int32_t right) const {
  if (slots_.empty()) return {kNone, -1};
  return slots_[find_slot(pair_key(left, right))].merge;
}

void merge_symbols(const MergeTable& merges, std::vector<std::int32_t>& symbols) {
  if (symbols.size() < 2) return;
  if (symbols.size() <= kScanSymbols) {
    merge_by_scan(merges, symbols);
  } else {
    // A merger keeps its buffers for the next long word of this thread, unless they are huge.
    thread_local HeapMerger merger;
    merger.run(merges, symbols);
    if (symbols.capacity() > (std::size_t{1} << 20)) merger = HeapMerger();
  }
}

}  // namespace svtune
