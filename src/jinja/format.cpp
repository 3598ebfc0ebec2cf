// Parts that both ways of formatting share.
#include "jinja/format.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/number_text.h"
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

namespace {

// "%#g": the zeros behind the last digit stay.
std::string general_with_zeros(double value, int digits) {
  const std::string exponential = scientific(value, digits - 1);
  const std::size_t mark = exponential.find('e');
  int exponent = 0;
  const char* begin = exponential.data() + mark + (exponential[mark + 1] == '+' ? 2 : 1);
  std::from_chars(begin, exponential.data() + exponential.size(), exponent);
  return exponent >= -4 && exponent < digits ? fixed(value, digits - 1 - exponent) : exponential;
}

// The '#' flag: a point even where no digits follow it.
void add_point(std::string& number) {
  if (number.find('.') == std::string::npos) {
    number.insert(std::min(number.find('e'), number.size()), ".");
  }
}

}  // namespace

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
  const bool alternate = flags.find('#') != std::string_view::npos;
  const char kind = static_cast<char>(conversion | 0x20);
  std::string text = kind == 'f'   ? fixed(value, precision)
                     : kind == 'e' ? scientific(value, precision)
                     : alternate   ? general_with_zeros(value, std::max(precision, 1))
                                   : general(value, precision);
  if (alternate) add_point(text);
  if (kind != conversion) text = to_upper(text);
  if (!text.starts_with('-')) {
    if (flags.find('+') != std::string_view::npos) return "+" + text;
    if (flags.find(' ') != std::string_view::npos) return " " + text;
  }
  return text;
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
