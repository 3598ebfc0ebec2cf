// Escaping, the wording of numbers, and the places of pages.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace svtune {

// For text and double-quoted attributes; bytes that are not UTF-8 become U+FFFD.
std::string escape_html(std::string_view text);

// For a <script> element: no "<" that could end it, no line separators of old JavaScript.
std::string escape_script_json(std::string_view json);

// Throws FileError where `path` is a file that is neither empty nor a page: a mistaken --output
// would replace what a page is made of.
void require_page_place(const std::filesystem::path& path);

// How a quantity is written on axes and in tables.
enum class NumberStyle { kPlain, kScientific, kRate, kBytes, kPercent };
std::string_view number_style_name(NumberStyle style);  // as the page's script calls it

// Four significant digits: "1.234", "2e-04", "5432", "1.50 GiB", "62.5 %".
std::string format_quantity(double value, NumberStyle style);

// Labels of evenly spaced ticks in one unit and with the same number of decimals: "0.5", "1.0";
// "5e-5"; "20K"; "1.5 GiB"; "40 %".
std::vector<std::string> format_ticks(const std::vector<double>& ticks, NumberStyle style);

// "12.3 %", "0.0456 %"; "" when the whole is zero.
std::string format_share(std::int64_t part, std::int64_t whole);

// A short bar in the colour of a run.
std::string swatch(std::size_t run);

// Shortest text for coordinates: at most `digits` decimals, no trailing zeros.
std::string coordinate(double value, int digits = 1);
// "12.5 %" of 0.125.
std::string percent_text(double share);

}  // namespace svtune
