// Stepping through text that is known to be valid UTF-8, inline because tokenizers spend their
// time here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace svtune {

// Bytes of the sequence that starts with `lead`; 1 for a continuation byte.
inline std::size_t utf8_length(char lead) {
  const auto byte = static_cast<std::uint8_t>(lead);
  if (byte < 0xC0) return 1;
  if (byte < 0xE0) return 2;
  return byte < 0xF0 ? 3 : 4;
}

// Code point at `at`. Requires: valid UTF-8 and `at` at the start of a character.
inline std::uint32_t utf8_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[at + i]); };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return lead;
  if (lead < 0xE0) return (lead & 0x1F) << 6 | (byte(1) & 0x3F);
  if (lead < 0xF0) return (lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
  return (lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
}

// Start of the character that ends before `at`. Requires: at > 0.
inline std::size_t utf8_previous(std::string_view text, std::size_t at) {
  do {
    --at;
  } while (at > 0 && (static_cast<std::uint8_t>(text[at]) & 0xC0) == 0x80);
  return at;
}

}  // namespace svtune
