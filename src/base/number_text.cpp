#include "base/number_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace svtune {
namespace {

// Whole digits of the largest double, sign, point and 400 decimals fit.
constexpr std::size_t kLongestNumber = 800;
constexpr int kMaxDigits = 400;

std::string with_format(double value, std::chars_format format, int digits) {
  std::array<char, kLongestNumber> buffer;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format,
                                    std::clamp(digits, 0, kMaxDigits));
  return std::string(buffer.data(), result.ptr);
}

std::string in_base(std::uint64_t value, int base, std::size_t width) {
  std::array<char, 64> buffer;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, base);
  std::string digits(buffer.data(), result.ptr);
  if (digits.size() < width) digits.insert(0, width - digits.size(), '0');
  return digits;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The power of ten of the first digit that is not zero is above zero; for numbers far from one.
bool is_large(std::string_view digits) {
  const std::size_t mark = std::min(digits.find_first_of("eE"), digits.size());
  const std::string_view mantissa = digits.substr(0, mark);
  const auto point = static_cast<double>(std::min(mantissa.find('.'), mantissa.size()));
  const auto first = static_cast<double>(mantissa.find_first_of("123456789"));
  if (mark == digits.size()) return point > first;
  std::string_view power = digits.substr(mark + 1);
  const bool negative = power.starts_with('-');
  if (negative || power.starts_with('+')) power.remove_prefix(1);
  double exponent = 0;  // of any length
  for (const char c : power) exponent = exponent * 10 + (c - '0');
  return point - first + (negative ? -exponent : exponent) > 0;
}

}  // namespace

std::string fixed(double value, int digits) {
  return with_format(value, std::chars_format::fixed, digits);
}

std::string scientific(double value, int digits) {
  return with_format(value, std::chars_format::scientific, digits);
}

std::string general(double value, int digits) {
  return with_format(value, std::chars_format::general, digits);
}

std::string percent(double share, int digits) { return fixed(100 * share, digits) + " %"; }

std::string zero_padded(std::uint64_t value, std::size_t width) {
  return in_base(value, 10, width);
}

std::string hexadecimal(std::uint64_t value, std::size_t width) {
  return in_base(value, 16, width);
}

std::optional<double> parse_decimal(std::string_view text) {
  const bool negative = text.starts_with('-');
  std::string_view digits = text;
  if (negative || text.starts_with('+')) digits.remove_prefix(1);
  const bool starts = !digits.empty() && (is_digit(digits[0]) || digits[0] == '.');
  if (!starts) return std::nullopt;
  double value = 0;
  const char* end = digits.data() + digits.size();
  const auto result = std::from_chars(digits.data(), end, value);
  if (result.ptr != end || result.ec == std::errc::invalid_argument) return std::nullopt;
  if (result.ec == std::errc::result_out_of_range) {
    value = is_large(digits) ? std::numeric_limits<double>::infinity() : 0;
  }
  return negative ? -value : value;
}

}  // namespace svtune
