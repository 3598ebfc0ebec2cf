// Shared by the two formatters; not for other files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace svtune::jinja::detail {

inline constexpr std::size_t kMaxWidth = 100'000;
inline constexpr int kMaxPrecision = 300;

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
// Reads digits at `pos`; nothing when there are none. Throws EvalError beyond kMaxWidth.
std::optional<std::size_t> read_number(std::string_view text, std::size_t& pos);
std::string in_base(std::uint64_t magnitude, unsigned base, bool upper);
std::uint64_t magnitude_of(std::int64_t value);

}  // namespace svtune::jinja::detail
