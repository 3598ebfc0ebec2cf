// Numeric answers in texts, as GSM8K's evaluation compares them.
#pragma once

#include <optional>
#include <string_view>

namespace svtune {

// The number that a model's text gives as its answer: the first one behind the last "The answer
// is" (with a colon or without) or "####" that has one within 200 bytes. Signs may stand before
// or behind a currency sign; thousands may be separated by commas, apostrophes, no-break spaces
// or points ("1,234,567"); fractions and mixed numbers ("3/4", "1 1/2") are evaluated. Nothing is
// rounded. nullopt when there is no number.
std::optional<double> extract_answer(std::string_view text);

// The number of a reference solution: as extract_answer, else the whole text when it is one
// number, with a currency sign, per cent sign or full stop at most.
std::optional<double> reference_answer(std::string_view text);

}  // namespace svtune
