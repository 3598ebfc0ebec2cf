#include "text/bert_normalizer.h"

#include <utf8proc.h>

#include <cstring>
#include <string>
#include <string_view>

#include "base/text_util.h"
#include "text/code_point_range.h"
#include "text/unicode_class.h"
#include "text/utf8.h"

namespace svtune {
namespace {

// Format characters and non-spacing marks of Unicode 9 and later, which `tokenizers` 0.23 does not
// know, found by giving it every code point.
constexpr CodePointRange kLaterFormats[] = {
    {0x890, 0x891}, {0x8E2, 0x8E2}, {0x110CD, 0x110CD}, {0x13430, 0x1343F}};

constexpr CodePointRange kLaterMarks[] = {
    {0x7FD, 0x7FD},     {0x898, 0x89F},     {0x8CA, 0x8E1},     {0x9FE, 0x9FE},
    {0xAFA, 0xAFF},     {0xB55, 0xB55},     {0xC04, 0xC04},     {0xC3C, 0xC3C},
    {0xD00, 0xD00},     {0xD3B, 0xD3C},     {0xD81, 0xD81},     {0xEBA, 0xEBA},
    {0xECE, 0xECE},     {0x180F, 0x180F},   {0x1885, 0x1886},   {0x1ABF, 0x1ACE},
    {0x1DF6, 0x1DFB},   {0xA82C, 0xA82C},   {0xA8C5, 0xA8C5},   {0xA8FF, 0xA8FF},
    {0xA9BD, 0xA9BD},   {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF},
    {0x10F46, 0x10F50}, {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x11073, 0x11074},
    {0x110C2, 0x110C2}, {0x111C9, 0x111C9}, {0x111CF, 0x111CF}, {0x1123E, 0x1123E},
    {0x11241, 0x11241}, {0x1133B, 0x1133B}, {0x11438, 0x1143F}, {0x11442, 0x11444},
    {0x11446, 0x11446}, {0x1145E, 0x1145E}, {0x1182F, 0x11837}, {0x11839, 0x1183A},
    {0x1193B, 0x1193C}, {0x1193E, 0x1193E}, {0x11943, 0x11943}, {0x119D4, 0x119D7},
    {0x119DA, 0x119DB}, {0x119E0, 0x119E0}, {0x11A01, 0x11A0A}, {0x11A33, 0x11A38},
    {0x11A3B, 0x11A3E}, {0x11A47, 0x11A47}, {0x11A51, 0x11A56}, {0x11A59, 0x11A5B},
    {0x11A8A, 0x11A96}, {0x11A98, 0x11A99}, {0x11C30, 0x11C36}, {0x11C38, 0x11C3D},
    {0x11C3F, 0x11C3F}, {0x11C92, 0x11CA7}, {0x11CAA, 0x11CB0}, {0x11CB2, 0x11CB3},
    {0x11CB5, 0x11CB6}, {0x11D31, 0x11D36}, {0x11D3A, 0x11D3A}, {0x11D3C, 0x11D3D},
    {0x11D3F, 0x11D45}, {0x11D47, 0x11D47}, {0x11D90, 0x11D91}, {0x11D95, 0x11D95},
    {0x11D97, 0x11D97}, {0x11EF3, 0x11EF4}, {0x11F00, 0x11F01}, {0x11F36, 0x11F3A},
    {0x11F40, 0x11F40}, {0x11F42, 0x11F42}, {0x13440, 0x13440}, {0x13447, 0x13455},
    {0x16F4F, 0x16F4F}, {0x16FE4, 0x16FE4}, {0x1CF00, 0x1CF2D}, {0x1CF30, 0x1CF46},
    {0x1E000, 0x1E006}, {0x1E008, 0x1E018}, {0x1E01B, 0x1E021}, {0x1E023, 0x1E024},
    {0x1E026, 0x1E02A}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE},
    {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF}, {0x1E944, 0x1E94A}};

constexpr CodePointRange kIdeographs[] = {
    {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},  {0x20000, 0x2A6DF},
    {0x2A700, 0x2B81F}, {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F}};

constexpr std::uint32_t kFormerMark = 0x1734;  // a spacing mark since Unicode 14

utf8proc_category_t category(std::uint32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

bool is_blank(std::uint32_t c) { return c == '\t' || c == '\n' || c == '\r'; }

bool is_removed(std::uint32_t c) {
  if (c < 0x80) return (c < ' ' && !is_blank(c)) || c == 0x7F;
  if (c == 0xFFFD) return true;
  const utf8proc_category_t kind = category(c);
  const bool control =
      kind == UTF8PROC_CATEGORY_CC || kind == UTF8PROC_CATEGORY_CF || kind == UTF8PROC_CATEGORY_CO;
  return control && find_range(kLaterFormats, c) == nullptr;
}

bool is_accent(std::uint32_t c) {
  if (c < 0x300) return false;
  if (c == kFormerMark) return true;
  return category(c) == UTF8PROC_CATEGORY_MN && find_range(kLaterMarks, c) == nullptr;
}

bool is_ascii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<std::uint8_t>(c) >= 0x80) return false;
  }
  return true;
}

class BertNormalizer final : public Normalizer {
 public:
  explicit BertNormalizer(const BertNormalizing& options) : options_(options) {}

  void apply(std::string& text) const override {
    if (is_ascii(text)) return apply_ascii(text);
    if (options_.clean_text || options_.separate_chinese) text = clean(text);
    if (options_.strip_accents) strip_accents(text);
    if (options_.lower_case) text = lower_case(text);
  }

 private:
  void apply_ascii(std::string& text) const {
    std::size_t kept = 0;
    for (const char c : text) {
      char out = c;
      if (options_.clean_text) {
        if (is_removed(static_cast<std::uint8_t>(c))) continue;
        if (is_blank(static_cast<std::uint8_t>(c))) out = ' ';
      }
      if (options_.lower_case && out >= 'A' && out <= 'Z') out = static_cast<char>(out + 32);
      text[kept++] = out;
    }
    text.resize(kept);
  }

  std::string clean(std::string_view text) const {
    std::string out;
    out.reserve(text.size() + text.size() / 4);
    for (std::size_t at = 0; at < text.size();) {
      const std::string_view character = text.substr(at, utf8_length(text[at]));
      const std::uint32_t c = utf8_at(text, at);
      at += character.size();
      if (options_.clean_text && is_removed(c)) continue;
      if (options_.clean_text && is_white_space(c)) {
        out += ' ';
      } else if (options_.separate_chinese && c >= kIdeographs[0].first &&
                 find_range(kIdeographs, c) != nullptr) {
        out += ' ';
        out += character;
        out += ' ';
      } else {
        out += character;
      }
    }
    return out;
  }

  static void strip_accents(std::string& text) {
    apply_unicode_form(UnicodeForm::kNfd, text);
    std::size_t kept = 0;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t length = utf8_length(text[at]);
      if (!is_accent(utf8_at(text, at))) {
        std::memmove(text.data() + kept, text.data() + at, length);
        kept += length;
      }
      at += length;
    }
    text.resize(kept);
  }

  BertNormalizing options_;
};

}  // namespace

std::unique_ptr<Normalizer> make_bert_normalizer(const BertNormalizing& options) {
  return std::make_unique<BertNormalizer>(options);
}

}  // namespace svtune
