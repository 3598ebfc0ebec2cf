#include "text/sequence_template.h"

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "base/errors.h"

namespace svtune {

PairLengths cut_longest_first(PairLengths lengths, std::size_t room) {
  if (lengths.first + lengths.second <= room) return lengths;
  const bool swapped = lengths.first > lengths.second;
  std::size_t small = std::min(lengths.first, lengths.second);
  std::size_t large = small > room ? small : std::max(small, room - small);
  if (small + large > room) {
    small = room / 2;
    large = small + room % 2;
  }
  return swapped ? PairLengths{large, small} : PairLengths{small, large};
}

std::size_t added_tokens(const SequenceTemplate& form) {
  std::size_t count = 0;
  for (const SequencePart& part : form) count += part.ids.size();
  return count;
}

TypedTokens fill_template(const SequenceTemplate& form, std::vector<std::int32_t> first,
                          std::vector<std::int32_t>* second, std::size_t max_length) {
  const std::size_t added = added_tokens(form);
  const PairLengths whole{first.size(), second != nullptr ? second->size() : 0};
  TypedTokens out;
  out.cut = max_length < added || whole.first + whole.second > max_length - added;
  if (out.cut) {
    if (max_length <= added) {
      throw UsageError("a length of " + std::to_string(max_length) +
                           " leaves no room for text beside " + std::to_string(added) +
                           " special tokens",
                       "Raise --max-length.");
    }
    const PairLengths kept = second != nullptr ? cut_longest_first(whole, max_length - added)
                                               : PairLengths{max_length - added, 0};
    first.resize(kept.first);
    if (second != nullptr) second->resize(kept.second);
  }
  for (const SequencePart& part : form) {
    std::span<const std::int32_t> ids = part.ids;
    if (part.kind == SequencePart::Kind::kFirst) ids = first;
    if (part.kind == SequencePart::Kind::kSecond && second != nullptr) ids = *second;
    out.ids.insert(out.ids.end(), ids.begin(), ids.end());
    out.types.resize(out.ids.size(), part.type);
  }
  return out;
}

}  // namespace svtune
