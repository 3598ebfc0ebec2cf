// Sorted tables of code point ranges: where the Unicode versions of two libraries differ.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>

namespace svtune {

struct CodePointRange {
  std::uint32_t first, last;  // both inside
};

// The range that holds the code point, or null. `ranges` is sorted and without overlaps; Range has
// `first` and `last`.
template <class Range, std::size_t Count>
const Range* find_range(const Range (&ranges)[Count], std::uint32_t code_point) {
  const Range* found = std::ranges::lower_bound(ranges, code_point, {}, &Range::last);
  return found != std::end(ranges) && found->first <= code_point ? found : nullptr;
}

}  // namespace svtune
