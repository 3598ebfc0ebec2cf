// Small string helpers: splitting, UTF-8, edit distance for "did you mean", human numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace svtune {

// Pieces between separators, empty ones included: split("a,,b", ',') = {"a", "", "b"}. The
// views point into `text`.
std::vector<std::string_view> split(std::string_view text, char separator);
std::string join(std::span<const std::string> parts, std::string_view separator);
// As join(), but the first `most` only: "a, b, c, d, e and 3 more".
std::string join_some(std::span<const std::string> parts, std::string_view separator,
                      std::size_t most = 5);
// Spaces before or behind the text, up to `width` bytes.
std::string pad_left(std::string_view text, std::size_t width);
std::string pad_right(std::string_view text, std::size_t width);
// UTF-8's, which Windows programs write in front of a text. It is no part of the text.
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
std::string_view without_byte_order_mark(std::string_view text);
// Without ASCII white space at both ends.
std::string_view trim(std::string_view text);
std::string to_lower_ascii(std::string_view text);
// What stands after the last dot: "q_proj" of "layers.0.q_proj".
std::string last_part(std::string_view path);
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

// The candidate with the smallest edit distance to `name` (case and '_' versus '-' count
// half), or "" when even that one shares too little with it.
std::string nearest_name(std::string_view name, std::span<const std::string> candidates);

// Offset of the first byte that does not belong to valid UTF-8 (no surrogates, no overlong
// forms, at most U+10FFFF), or npos.
std::size_t find_invalid_utf8(std::string_view text);
bool is_valid_utf8(std::string_view text);
// Every maximal invalid part becomes one U+FFFD (the Unicode recommendation, as Python does).
std::string replace_invalid_utf8(std::string_view text);
void append_utf8(std::string& out, std::uint32_t code_point);
// Code point at `pos` of valid UTF-8; moves `pos` behind it.
std::uint32_t decode_utf8(std::string_view text, std::size_t& pos);

// Spaces in the place of control characters but line breaks: text out of files, which could drive
// the terminal that it is shown in.
std::string without_controls(std::string_view text);

// A word of a command for a POSIX shell, in quotes where it needs some.
std::string shell_word(std::string_view text);

// "0 B", "1.50 KiB", "3.21 GiB".
std::string format_bytes(std::uint64_t bytes);
// Bytes of "4G", "1.5 GiB", "900M", "4GB" or "4294967296": K, M, G and T, with iB or without, are
// powers of 1024, with B alone powers of 1000, in either case. Rounded to whole bytes; nothing when
// the text is no such size, or 2^63 and more.
std::optional<std::int64_t> parse_size(std::string_view text);
// "134,515,008".
std::string format_count(std::uint64_t count);
// Three significant digits: "950", "1.23K", "135M", "7.24B".
std::string format_short_count(std::uint64_t count);

}  // namespace svtune
