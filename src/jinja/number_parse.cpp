#include "jinja/number_parse.h"

#include <cmath>
#include <limits>
#include <string>

#include "base/number_text.h"
#include "jinja/error.h"
#include "jinja/format_detail.h"
#include "jinja/unicode.h"

namespace svtune::jinja {
namespace {

using detail::is_digit;

int digit_value(char c) {
  if (is_digit(c)) return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'z' ? lower - 'a' + 10 : 99;
}

int prefix_base(std::string_view text) {
  if (text.size() < 2 || text[0] != '0') return 0;
  const char letter = static_cast<char>(text[1] | 0x20);
  return letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
}

// Underscores may stand between digits only.
bool remove_underscores(std::string& text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') continue;
    if (i == 0 || i + 1 >= text.size()) return false;
    if (digit_value(text[i - 1]) == 99 || digit_value(text[i + 1]) == 99) return false;
  }
  std::erase(text, '_');
  return true;
}

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text, int base) {
  if (base != 0 && (base < 2 || base > 36)) throw EvalError("int: the base must be 0 or 2 to 36");
  std::string digits(strip_left(strip_right(text)));
  bool negative = false;
  if (!digits.empty() && (digits[0] == '-' || digits[0] == '+')) {
    negative = digits[0] == '-';
    digits.erase(0, 1);
  }
  const int prefix = prefix_base(digits);
  if (prefix != 0 && (base == 0 || base == prefix)) {
    base = prefix;
    digits.erase(0, 2);
    if (!digits.empty() && digits[0] == '_') digits.erase(0, 1);
  }
  if (base == 0) base = 10;
  if (digits.empty() || !remove_underscores(digits)) return std::nullopt;
  std::int64_t value = 0;
  bool overflow = false;
  for (const char c : digits) {
    const int digit = digit_value(c);
    if (digit >= base) return std::nullopt;
    overflow = overflow || __builtin_mul_overflow(value, std::int64_t{base}, &value) ||
               __builtin_sub_overflow(value, std::int64_t{digit}, &value);
  }
  // The digits were subtracted, since the negative range is the larger one.
  overflow = overflow || (!negative && value == std::numeric_limits<std::int64_t>::min());
  if (overflow) throw EvalError("int: the number exceeds 64 bits");
  return negative ? value : -value;
}

std::optional<double> parse_real(std::string_view text) {
  std::string body(strip_left(strip_right(text)));
  const std::string lower = to_lower(body);
  const std::string_view unsigned_part =
      std::string_view(lower).substr(!lower.empty() && (lower[0] == '-' || lower[0] == '+'));
  if (unsigned_part == "inf" || unsigned_part == "infinity") {
    const double infinity = std::numeric_limits<double>::infinity();
    return lower[0] == '-' ? -infinity : infinity;
  }
  if (unsigned_part == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (unsigned_part.find_first_not_of("0123456789.e+-_") != std::string_view::npos ||
      unsigned_part.empty() || !(is_digit(unsigned_part[0]) || unsigned_part[0] == '.')) {
    return std::nullopt;
  }
  if (!remove_underscores(body)) return std::nullopt;
  return parse_decimal(body);
}

}  // namespace svtune::jinja
