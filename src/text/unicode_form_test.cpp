// Normalisation forms beside utf8proc's own mapping, and on texts that are all marks.
#include "text/unicode_form.h"

#include <gtest/gtest.h>
#include <utf8proc.h>

#include <cstdlib>
#include <string>

#include "base/random.h"
#include "base/text_util.h"

namespace svtune {
namespace unicode_form_test {

std::string repeated(std::string_view text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

std::string mapped(UnicodeForm form, const std::string& text) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.c_str());
  utf8proc_uint8_t* raw = form == UnicodeForm::kNfc    ? utf8proc_NFC(bytes)
                          : form == UnicodeForm::kNfd  ? utf8proc_NFD(bytes)
                          : form == UnicodeForm::kNfkc ? utf8proc_NFKC(bytes)
                                                       : utf8proc_NFKD(bytes);
  const std::string out(reinterpret_cast<const char*>(raw));
  std::free(raw);
  return out;
}

TEST(UnicodeForm, EqualsUtf8procOnRandomText) {
  // Starters that compose and decompose, and marks of many classes; none newer than Unicode 10.
  constexpr std::uint32_t kPoints[] = {'a',    'o',    0xE9,   0x1EA1,  0x301,  0x323,  0x327,
                                       0x338,  0x345,  0x3099, 0x304B,  0x5B0,  0x64B,  0x651,
                                       0xFB01, 0xFDFA, 0x1100, 0x1161,  0x11A8, 0xAC00, 0x2126,
                                       0x0F71, 0x0F72, 0x0F80, 0x1D15E, 0x302,  0x307};
  Xoshiro256 random(11);
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    const std::uint64_t length = 1 + random.bounded(12);
    for (std::uint64_t i = 0; i < length; ++i) {
      append_utf8(text, kPoints[random.bounded(std::size(kPoints))]);
    }
    for (const UnicodeForm form :
         {UnicodeForm::kNfc, UnicodeForm::kNfd, UnicodeForm::kNfkc, UnicodeForm::kNfkd}) {
      std::string got = text;
      apply_unicode_form(form, got);
      ASSERT_EQ(got, mapped(form, text)) << text;
    }
  }
}

TEST(UnicodeForm, OrdersALongRunOfMarks) {
  // In quadratic time this would take an hour.
  constexpr int kMarks = 400'000;
  std::string text = "a" + repeated("\u0301", kMarks) + repeated("\u0323", kMarks);
  apply_unicode_form(UnicodeForm::kNfc, text);
  EXPECT_TRUE(text == "\u1EA1" + repeated("\u0323", kMarks - 1) + repeated("\u0301", kMarks));
}

}  // namespace unicode_form_test
}  // namespace svtune
