// Unicode normalisation forms and lower case of valid UTF-8 text, with the tables of the
// `tokenizers` library: its normaliser knows no combining classes and decompositions that
// Unicode 10 and later added.
#pragma once

#include <string>
#include <string_view>

namespace svtune {

enum class UnicodeForm { kNfc, kNfd, kNfkc, kNfkd };

// Normalises in place. Text that is plainly in form NFC already (Latin, Cyrillic, Chinese,
// Korean syllables, ...) is recognised without a table look-up per character.
void apply_unicode_form(UnicodeForm form, std::string& text);

// Lower case character by character, without the special cases of single languages.
std::string lower_case(std::string_view text);

}  // namespace svtune
