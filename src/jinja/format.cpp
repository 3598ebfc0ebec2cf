// Parts that both ways of formatting share.
#include "jinja/format.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "jinja/error.h"
#include "jinja/format_detail.h"
#include "jinja/unicode.h"
#include "jinja/value_ops.h"

namespace svtune::jinja {
namespace detail {

std::optional<std::size_t> read_number(std::string_view text, std::size_t& pos) {
  if (pos >= text.size() || !is_digit(text[pos])) return std::nullopt;
  std::size_t number = 0;
  while (pos < text.size() && is_digit(text[pos])) {
    number = number * 10 + static_cast<std::size_t>(text[pos++] - '0');
    if (number > kMaxWidth) throw EvalError("a width in a format exceeds 100000");
  }
  return number;
}

std::string in_base(std::uint64_t magnitude, unsigned base, bool upper) {
  const char* digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string out;
  do {
    out.push_back(digits[magnitude % base]);
    magnitude /= base;
  } while (magnitude != 0);
  std::reverse(out.begin(), out.end());
  return out;
}

std::uint64_t magnitude_of(std::int64_t value) {
  return value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
}

}  // namespace detail

using detail::kMaxPrecision;

std::string format_real(double value, std::string_view flags, int precision, char conversion) {
  if (std::isnan(value) || std::isinf(value)) {
    const bool upper = conversion >= 'A' && conversion <= 'Z';
    std::string text = std::isnan(value) ? "nan" : "inf";
    if (upper) text = to_upper(text);
    const char* sign = value < 0                                   ? "-"
                       : flags.find('+') != std::string_view::npos ? "+"
                       : flags.find(' ') != std::string_view::npos ? " "
                                                                   : "";
    return sign + text;
  }
  if (precision > kMaxPrecision) throw EvalError("a precision in a format exceeds 300");
  std::string pattern = "%" + std::string(flags) + ".*" + conversion;
  std::array<char, 1024> buffer{};
  const int size = std::snprintf(buffer.data(), buffer.size(), pattern.c_str(), precision, value);
  return std::string(buffer.data(), static_cast<std::size_t>(std::clamp(size, 0, 1023)));
}

std::string pad(std::string_view text, std::size_t width, std::string_view fill, char align) {
  const std::size_t size = count_characters(text);
  if (size >= width) return std::string(text);
  const std::size_t missing = width - size;
  check_text_size(static_cast<double>(missing) * static_cast<double>(fill.size()));
  const std::size_t left = align == '<' ? 0 : align == '>' ? missing : missing / 2;
  std::string out;
  for (std::size_t i = 0; i < left; ++i) out += fill;
  out += text;
  for (std::size_t i = left; i < missing; ++i) out += fill;
  return out;
}

}  // namespace svtune::jinja
