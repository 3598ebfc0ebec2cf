// Numeric answers in generated text, as the GSM8K evaluation of the MetaMath and PiSSA
// papers extracts and compares them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace svtune {

// The number after the last "The answer is: " of a model's text: the first match of
// [-+]?\d*[.,/]?\d+, a fraction evaluated, a comma dropped, rounded half to even. nullopt
// when the phrase or the number is missing. The pattern takes one separator only, so
// "1,234,567" reads as 1234, like the papers' script.
std::optional<double> extract_answer(std::string_view text);

// The number of a reference solution: after "#### " (GSM8K), else as extract_answer, else the
// whole text when it is a number (separators at thousands allowed).
std::optional<double> reference_answer(std::string_view text);

}  // namespace svtune
