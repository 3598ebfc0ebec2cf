// Python's int("...") and float("..."): white space around, signs, underscores.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace svtune::jinja {

// Nothing when the text is no integer of that base (2..36, or 0 for a prefix); EvalError when
// it exceeds 64 bits.
std::optional<std::int64_t> parse_integer(std::string_view text, int base);
// Accepts "1e3", "inf", "nan".
std::optional<double> parse_real(std::string_view text);

}  // namespace svtune::jinja
