// Byte fallback: the tokens <0x00> to <0xFF> that stand for the bytes of a character without a
// token of its own.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace svtune {

using ByteTokens = std::array<std::int32_t, 256>;  // ids of <0xXX>, or -1

inline ByteTokens find_byte_tokens(const Vocabulary& vocabulary) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  ByteTokens ids;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string token = {'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'};
    ids[byte] = vocabulary.find(token);
  }
  return ids;
}

// Appends the bytes' tokens and returns true, or returns false when one of them has none.
inline bool append_byte_tokens(const ByteTokens& ids, std::string_view bytes,
                               std::vector<std::int32_t>& out) {
  for (const char c : bytes) {
    if (ids[static_cast<std::uint8_t>(c)] < 0) return false;
  }
  for (const char c : bytes) out.push_back(ids[static_cast<std::uint8_t>(c)]);
  return true;
}

}  // namespace svtune
