#include "text/unicode_form.h"

#include <utf8proc.h>

#include <cstdlib>
#include <memory>
#include <new>

#include "base/errors.h"
#include "base/text_util.h"
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

struct FreeDeleter {
  void operator()(utf8proc_uint8_t* text) const { std::free(text); }
};

}  // namespace

void apply_unicode_form(UnicodeForm form, std::string& text) {
  if (form == UnicodeForm::kNfc && is_ascii_or_plainly_nfc(text)) return;
  utf8proc_uint8_t* raw = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &raw, options_of(form));
  const std::unique_ptr<utf8proc_uint8_t, FreeDeleter> mapped(raw);
  if (size == UTF8PROC_ERROR_NOMEM) throw std::bad_alloc();
  if (size < 0) {
    throw RunError("Unicode normalisation of a text of " + std::to_string(text.size()) +
                   " bytes failed: " + utf8proc_errmsg(size));
  }
  text.assign(reinterpret_cast<const char*>(mapped.get()), static_cast<std::size_t>(size));
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
