#include "jinja/unicode.h"

#include <utf8proc.h>

#include <array>

#include "base/text_util.h"

namespace svtune::jinja {
namespace {

utf8proc_category_t category(std::uint32_t code_point) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
}

// Case mappings of Unicode's SpecialCasing that give several characters.
struct SpecialCase {
  std::uint32_t from;
  std::u32string_view to;
};
constexpr std::array<SpecialCase, 15> kSpecialUpper{{{0xDF, U"SS"},
                                                     {0x149, U"\u02BCN"},
                                                     {0x1F0, U"J\u030C"},
                                                     {0x390, U"\u0399\u0308\u0301"},
                                                     {0x3B0, U"\u03A5\u0308\u0301"},
                                                     {0x587, U"\u0535\u0552"},
                                                     {0x1E96, U"H\u0331"},
                                                     {0x1E9E, U"\u1E9E"},
                                                     {0xFB00, U"FF"},
                                                     {0xFB01, U"FI"},
                                                     {0xFB02, U"FL"},
                                                     {0xFB03, U"FFI"},
                                                     {0xFB04, U"FFL"},
                                                     {0xFB05, U"ST"},
                                                     {0xFB06, U"ST"}}};

bool is_cased(std::uint32_t c) {
  return is_upper(c) || is_lower(c) || category(c) == UTF8PROC_CATEGORY_LT;
}

bool is_case_ignorable(std::uint32_t c) {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      return c == '\'' || c == '.' || c == ':' || c == 0xB7 || c == 0x2019 || c == 0x2018;
  }
}

bool is_final_sigma(const std::u32string& text, std::size_t at) {
  std::size_t before = at;
  while (before > 0 && is_case_ignorable(text[before - 1])) --before;
  if (before == 0 || !is_cased(text[before - 1])) return false;
  std::size_t after = at + 1;
  while (after < text.size() && is_case_ignorable(text[after])) ++after;
  return after == text.size() || !is_cased(text[after]);
}

}  // namespace

bool is_space(std::uint32_t c) {
  if (c <= 0x20) return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_printable(std::uint32_t c) {
  if (c < 0x7F) return c >= 0x20;
  switch (category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

bool is_alphabetic(std::uint32_t c) {
  const auto kind = category(c);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}

bool is_decimal(std::uint32_t c) { return category(c) == UTF8PROC_CATEGORY_ND; }

bool is_word(std::uint32_t c) {
  const auto kind = category(c);
  return c == '_' || is_alphabetic(c) ||
         (kind >= UTF8PROC_CATEGORY_ND && kind <= UTF8PROC_CATEGORY_NO);
}

bool is_upper(std::uint32_t c) { return utf8proc_isupper(static_cast<utf8proc_int32_t>(c)) != 0; }
bool is_lower(std::uint32_t c) { return utf8proc_islower(static_cast<utf8proc_int32_t>(c)) != 0; }

std::string to_upper(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t pos = 0; pos < text.size();) {
    const std::uint32_t c = decode_utf8(text, pos);
    if (c < 0x80) {
      out.push_back(static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c));
      continue;
    }
    std::u32string_view special;
    for (const SpecialCase& entry : kSpecialUpper) {
      if (entry.from == c) special = entry.to;
    }
    if (special.empty()) {
      append_utf8(out,
                  static_cast<std::uint32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))));
    } else {
      out += from_characters(special);
    }
  }
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  const std::u32string characters = to_characters(text);
  for (std::size_t i = 0; i < characters.size(); ++i) {
    const std::uint32_t c = characters[i];
    if (c == 0x130) {
      out += "i\u0307";
    } else if (c == 0x3A3 && is_final_sigma(characters, i)) {
      out += "\u03C2";
    } else {
      append_utf8(out,
                  static_cast<std::uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
    }
  }
  return out;
}

std::size_t count_characters(std::string_view text) {
  std::size_t count = 0;
  for (const char byte : text) count += (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
  return count;
}

std::u32string to_characters(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (std::size_t pos = 0; pos < text.size();) out.push_back(decode_utf8(text, pos));
  return out;
}

std::string from_characters(std::u32string_view characters) {
  std::string out;
  out.reserve(characters.size());
  for (const char32_t c : characters) append_utf8(out, c);
  return out;
}

std::size_t byte_offset(std::string_view text, std::size_t index) {
  std::size_t pos = 0;
  while (index > 0 && pos < text.size()) {
    ++pos;
    while (pos < text.size() && (static_cast<unsigned char>(text[pos]) & 0xC0) == 0x80) ++pos;
    --index;
  }
  return pos;
}

namespace {

bool stripped(std::uint32_t c, const std::u32string* strip_set) {
  return strip_set == nullptr ? is_space(c) : strip_set->find(c) != std::u32string::npos;
}

}  // namespace

std::string_view strip_left(std::string_view text, const std::u32string* strip_set) {
  std::size_t pos = 0;
  while (pos < text.size()) {
    std::size_t next = pos;
    if (!stripped(decode_utf8(text, next), strip_set)) break;
    pos = next;
  }
  return text.substr(pos);
}

std::string_view strip_right(std::string_view text, const std::u32string* strip_set) {
  while (!text.empty()) {
    std::size_t start = text.size() - 1;
    while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
    std::size_t pos = start;
    if (!stripped(decode_utf8(text, pos), strip_set)) break;
    text = text.substr(0, start);
  }
  return text;
}

}  // namespace svtune::jinja
