// Numbers as text and back, the same in every locale. printf and strtod follow the process's
// locale, which a host program may have set to one with a decimal comma.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace svtune {

// As printf's %.*f, %.*e and %.*g: correctly rounded; "inf", "-inf", "nan". `digits` is 0 to 400.
std::string fixed(double value, int digits);
std::string scientific(double value, int digits);
std::string general(double value, int digits);

// "62.5 %" of 0.625.
std::string percent(double share, int digits = 1);

// Digits with zeros in front up to `width`: "00012".
std::string zero_padded(std::uint64_t value, std::size_t width);
// Lower-case, zeros in front up to `width`: "00e9".
std::string hexadecimal(std::uint64_t value, std::size_t width = 1);

// The double nearest to a decimal number: sign, digits with or without a point, exponent, and
// nothing else. Beyond the range it is infinity or zero, as with strtod. Nothing when the text is
// no such number ("inf", "nan" and hexadecimal ones are not).
std::optional<double> parse_decimal(std::string_view text);

}  // namespace svtune
