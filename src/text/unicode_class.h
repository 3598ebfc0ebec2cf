// Classes of code points as the `tokenizers` library sees them. Its regular expressions follow
// Unicode 16, while the libraries used here stop at Unicode 14 and 15; the difference is a
// table of ranges.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace svtune {

// What the split patterns of GPT-2, Llama-3 and Qwen2 distinguish.
enum class CharKind : std::uint8_t { kOther, kLetter, kNumber, kSpace };

namespace detail {

CharKind wide_char_kind(std::uint32_t code_point);

constexpr std::array<CharKind, 128> make_ascii_kinds() {
  std::array<CharKind, 128> kinds{};
  for (int c = 0; c < 128; ++c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool space = c == ' ' || (c >= '\t' && c <= '\r');
    if (letter) kinds[c] = CharKind::kLetter;
    if (c >= '0' && c <= '9') kinds[c] = CharKind::kNumber;
    if (space) kinds[c] = CharKind::kSpace;
  }
  return kinds;
}

inline constexpr std::array<CharKind, 128> kAsciiKinds = make_ascii_kinds();

}  // namespace detail

// \p{L}, \p{N}, \s or none of them.
inline CharKind char_kind(std::uint32_t code_point) {
  return code_point < 128 ? detail::kAsciiKinds[code_point] : detail::wide_char_kind(code_point);
}

bool is_white_space(std::uint32_t code_point);  // White_Space
bool is_word_character(
    std::uint32_t code_point);                  // \w: letters, marks, digits, connectors, joiners
bool is_numeric(std::uint32_t code_point);      // N
bool is_punctuation(std::uint32_t code_point);  // P of Unicode 8, and ASCII's symbols

// A range that Unicode 15 or 16 assigned, with its general category. Letters and Nd are told
// apart by two letters, marks, punctuation and symbols only by the first.
struct AddedRange {
  std::uint32_t first;
  std::uint32_t last;
  char category[3];
};
// In ascending order.
std::span<const AddedRange> ranges_since_unicode_14();

}  // namespace svtune
