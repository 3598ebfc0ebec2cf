#include "text/unicode_form.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/text_util.h"
#include "text/code_point_range.h"
#include "text/utf8.h"

namespace svtune {
namespace {

// Blocks whose characters are starters that no normalisation form C changes or joins with the
// character before: their presence alone proves the text normalised.
bool plainly_nfc(std::uint32_t c) {
  return c < 0x300 || (c >= 0x400 && c < 0x483) || (c >= 0x2002 && c < 0x20D0) ||
         (c >= 0x3001 && c < 0x302A) || (c >= 0x3041 && c < 0x3097) ||
         (c >= 0x30A1 && c < 0x30FF) || (c >= 0x4E00 && c < 0xA000) ||
         (c >= 0xAC00 && c < 0xD7A4) || (c >= 0xFF01 && c < 0xFFA0) ||
         (c >= 0x1F300 && c < 0x1F700);
}

bool is_ascii_or_plainly_nfc(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    if (!plainly_nfc(utf8_at(text, at))) return false;
    at += utf8_length(text[at]);
  }
  return true;
}

// Code points that normalisation changes or moves today but leaves alone in `tokenizers` 0.23.
// Derived by normalising every code point, alone and behind other marks, with both.
constexpr CodePointRange kUnknownRanges[] = {
    {0x7FD, 0x7FD},     {0x898, 0x89F},     {0x8CA, 0x8D3},     {0x9FE, 0x9FE},
    {0xC3C, 0xC3C},     {0xD3B, 0xD3C},     {0xEBA, 0xEBA},     {0x1715, 0x1715},
    {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFA},   {0x32FF, 0x32FF},   {0xA7F2, 0xA7F4},
    {0xA82C, 0xA82C},   {0xAB69, 0xAB69},   {0x10781, 0x10785}, {0x10787, 0x107B0},
    {0x107B2, 0x107BA}, {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF},
    {0x10F46, 0x10F50}, {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B},
    {0x1145E, 0x1145E}, {0x11839, 0x1183A}, {0x11938, 0x11938}, {0x1193D, 0x1193E},
    {0x11943, 0x11943}, {0x119E0, 0x119E0}, {0x11A34, 0x11A34}, {0x11A47, 0x11A47},
    {0x11A99, 0x11A99}, {0x11D42, 0x11D42}, {0x11D44, 0x11D45}, {0x11D97, 0x11D97},
    {0x11F41, 0x11F42}, {0x16FF0, 0x16FF1}, {0x1E030, 0x1E06D}, {0x1E08F, 0x1E08F},
    {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF},
    {0x1F16C, 0x1F16C}, {0x1FBF0, 0x1FBF9},
};

bool is_unknown(std::uint32_t c) {
  if (c < kUnknownRanges[0].first) return false;
  return find_range(kUnknownRanges, c) != nullptr;
}

utf8proc_option_t options_of(UnicodeForm form) {
  int options = UTF8PROC_STABLE;
  switch (form) {
    case UnicodeForm::kNfc:
      options |= UTF8PROC_COMPOSE;
      break;
    case UnicodeForm::kNfd:
      options |= UTF8PROC_DECOMPOSE;
      break;
    case UnicodeForm::kNfkc:
      options |= UTF8PROC_COMPOSE | UTF8PROC_COMPAT;
      break;
    case UnicodeForm::kNfkd:
      options |= UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT;
      break;
  }
  return static_cast<utf8proc_option_t>(options);
}

// Longest decomposition of one character: 18 code points (U+FDFA).
constexpr std::size_t kMaxDecomposition = 32;

std::vector<utf8proc_int32_t> decomposed(std::string_view text, utf8proc_option_t options) {
  std::vector<utf8proc_int32_t> out;
  out.reserve(text.size());
  std::array<utf8proc_int32_t, kMaxDecomposition> parts;
  for (std::size_t at = 0; at < text.size(); at += utf8_length(text[at])) {
    int boundary = 0;
    const utf8proc_ssize_t count =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(utf8_at(text, at)), parts.data(),
                                static_cast<utf8proc_ssize_t>(parts.size()), options, &boundary);
    if (count < 0 || count > static_cast<utf8proc_ssize_t>(parts.size())) {
      throw RunError("Unicode normalisation of a text of " + std::to_string(text.size()) +
                     " bytes failed: " + utf8proc_errmsg(count));
    }
    out.insert(out.end(), parts.begin(), parts.begin() + count);
  }
  return out;
}

int combining_class(utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; }

// Canonical order: every run of combining marks sorted by class, equal classes as they were.
// utf8proc's own ordering takes quadratic time in the length of a run.
void order_marks(std::vector<utf8proc_int32_t>& text) {
  const auto is_mark = [](utf8proc_int32_t c) { return combining_class(c) != 0; };
  for (auto begin = text.begin(); begin != text.end();) {
    begin = std::find_if(begin, text.end(), is_mark);
    const auto end = std::find_if_not(begin, text.end(), is_mark);
    std::ranges::stable_sort(begin, end, {}, combining_class);
    begin = end;
  }
}

void append_normalized(UnicodeForm form, std::string_view text, std::string& out) {
  const utf8proc_option_t options = options_of(form);
  std::vector<utf8proc_int32_t> points = decomposed(text, options);
  order_marks(points);
  // Composes where the form says so.
  const utf8proc_ssize_t size = utf8proc_normalize_utf32(
      points.data(), static_cast<utf8proc_ssize_t>(points.size()), options);
  for (utf8proc_ssize_t i = 0; i < size; ++i) {
    append_utf8(out, static_cast<std::uint32_t>(points[static_cast<std::size_t>(i)]));
  }
}

}  // namespace

void apply_unicode_form(UnicodeForm form, std::string& text) {
  if (form == UnicodeForm::kNfc && is_ascii_or_plainly_nfc(text)) return;
  // An unknown character stays, and nothing moves or joins across it.
  std::string out;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_length(text[at]);
    if (is_unknown(utf8_at(text, at))) {
      append_normalized(form, std::string_view(text).substr(begin, at - begin), out);
      out.append(text, at, length);
      begin = at + length;
    }
    at += length;
  }
  append_normalized(form, std::string_view(text).substr(begin), out);
  text = std::move(out);
}

std::string lower_case(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); at += utf8_length(text[at])) {
    const std::uint32_t c = utf8_at(text, at);
    if (c == 0x130) {  // the only lower case of two code points: i and a dot above
      out += "i\xCC\x87";
    } else {
      append_utf8(out, static_cast<std::uint32_t>(utf8proc_tolower(static_cast<int>(c))));
    }
  }
  return out;
}

}  // namespace svtune
