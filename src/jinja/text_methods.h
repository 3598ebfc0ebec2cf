// Python's string operations behind both methods and filters. Positions are characters.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace svtune::jinja {

// Replaces at most `count` occurrences, all when negative.
std::string replace_text(const std::string& text, const std::string& from, const std::string& to,
                         std::int64_t count);
std::string capitalize(const std::string& text);
// str.center: an odd remainder goes where Python puts it.
std::string center_text(const std::string& text, std::int64_t width, const std::string& fill);
// str.splitlines.
std::vector<std::string> split_lines(const std::string& text, bool keep_ends);
// str.split and str.rsplit at a non-empty separator; negative `limit`: no limit.
std::vector<std::string> split_at(const std::string& text, const std::string& separator,
                                  std::int64_t limit, bool from_right);
// str.split and str.rsplit at white space.
std::vector<std::string> split_at_space(const std::string& text, std::int64_t limit,
                                        bool from_right);

}  // namespace svtune::jinja
