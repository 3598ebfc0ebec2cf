#include "eval/numeric_answers.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

#include "base/number_text.h"
#include "base/text_util.h"

namespace svtune {
namespace {

constexpr std::string_view kMarkers[] = {"the answer is", "####"};
constexpr std::string_view kSeparators[] = {",", "'", "\u2019", "\u00A0", "\u202F", "\u2009", "."};
constexpr std::string_view kCurrencies[] = {"\\$", "$", "\u20AC", "\u00A3", "\u00A5", "\u20B9"};
constexpr std::string_view kMinuses[] = {"-", "\u2212"};
constexpr std::size_t kReach = 200;  // bytes behind a marker

bool is_digit(std::string_view text, std::size_t at) {
  return at < text.size() && text[at] >= '0' && text[at] <= '9';
}

bool is_letter(std::string_view text, std::size_t at) {
  return at < text.size() && ((text[at] | 0x20) >= 'a' && (text[at] | 0x20) <= 'z');
}

std::size_t count_digits(std::string_view text, std::size_t at) {
  std::size_t count = 0;
  while (is_digit(text, at + count)) ++count;
  return count;
}

struct Integer {
  std::string digits;
  std::size_t end = 0;  // behind it in the text
};

// Groups of three behind one and the same separator; two digits in the middle, as India writes.
// A point separates thousands only when there are two of them, else decimals.
Integer with_groups(std::string_view text, Integer first, std::string_view separator) {
  Integer all = first, whole = first;
  int groups = 0;
  while (text.substr(all.end).starts_with(separator)) {
    const std::size_t begin = all.end + separator.size(), count = count_digits(text, begin);
    if (count < 2 || count > 3) break;
    all.digits += text.substr(begin, count);
    all.end = begin + count;
    ++groups;
    if (count == 3) whole = all;
  }
  return separator == "." && groups < 2 ? first : whole;
}

Integer integer_at(std::string_view text, std::size_t at) {
  const std::size_t count = count_digits(text, at);
  Integer plain{std::string(text.substr(at, count)), at + count};
  if (count == 0 || count > 3) return plain;
  Integer longest = plain;
  for (const std::string_view separator : kSeparators) {
    const Integer grouped = with_groups(text, plain, separator);
    if (grouped.end > longest.end) longest = grouped;
  }
  return longest;
}

double value_of(const std::string& digits) {
  double value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

struct Number {
  double value = 0;
  std::size_t end = 0;  // behind it in the text
};

// Numerator and denominator of "3/4" at `at`; nullopt when no fraction stands there.
std::optional<Number> fraction_at(std::string_view text, std::size_t at) {
  const Integer top = integer_at(text, at);
  if (top.digits.empty() || top.end >= text.size() || text[top.end] != '/') return std::nullopt;
  const Integer bottom = integer_at(text, top.end + 1);
  const double divisor = bottom.digits.empty() ? 0 : value_of(bottom.digits);
  const bool date = text.substr(bottom.end).starts_with('/');
  if (divisor == 0 || date) return std::nullopt;
  return Number{value_of(top.digits) / divisor, bottom.end};
}

// The unsigned number at `at`, which is a digit or a point before one.
Number number_at(std::string_view text, std::size_t at) {
  if (const auto fraction = fraction_at(text, at)) return *fraction;
  const Integer whole = integer_at(text, at);
  std::string written = whole.digits.empty() ? "0" : whole.digits;
  std::size_t end = whole.end;
  if (end < text.size() && text[end] == ' ') {
    const auto rest = fraction_at(text, end + 1);
    if (rest && rest->value < 1) return {value_of(written) + rest->value, rest->end};
  }
  if (end < text.size() && text[end] == '.' && is_digit(text, end + 1)) {
    const std::size_t count = count_digits(text, end + 1);
    written += text.substr(end, count + 1);
    end += count + 1;
  }
  if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
    const bool sign = end + 1 < text.size() && (text[end + 1] == '-' || text[end + 1] == '+');
    const std::size_t begin = end + (sign ? 2 : 1), count = count_digits(text, begin);
    if (count > 0 && count < 4 && !is_letter(text, begin + count)) {
      written += sign && text[end + 1] == '-' ? "e-" : "e";
      written += text.substr(begin, count);
      end = begin + count;
    }
  }
  return {value_of(written), end};
}

// Removes one of `words` from the end of `text`.
template <std::size_t N>
bool drop_last(std::string_view& text, const std::string_view (&words)[N]) {
  for (const std::string_view word : words) {
    if (!text.ends_with(word)) continue;
    text.remove_suffix(word.size());
    return true;
  }
  return false;
}

// Whether a minus belongs to the number behind `before`: it touches the number or its currency
// sign, on either side, or stands alone between the phrase and the number. A minus behind a word
// or number is a dash, one at the start of a line a bullet.
bool is_negative(std::string_view before) {
  if (drop_last(before, kMinuses)) {
    const bool money = drop_last(before, kCurrencies);
    return money || before.empty() ||
           (!is_digit(before, before.size() - 1) && !is_letter(before, before.size() - 1));
  }
  std::string_view trimmed = before;
  while (trimmed.ends_with(' ')) trimmed.remove_suffix(1);
  if (drop_last(trimmed, kCurrencies)) return drop_last(trimmed, kMinuses);
  if (!drop_last(trimmed, kMinuses)) return false;
  while (trimmed.ends_with(' ')) trimmed.remove_suffix(1);
  return trimmed.empty() || trimmed.ends_with(':') || trimmed.ends_with('=');
}

struct SignedNumber {
  double value = 0;
  std::size_t begin = 0, end = 0;
};

std::optional<SignedNumber> first_number(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (!is_digit(text, at) && !(text[at] == '.' && is_digit(text, at + 1))) continue;
    const Number number = number_at(text, at);
    if (!std::isfinite(number.value)) return std::nullopt;
    const bool negative = is_negative(text.substr(0, at));
    return SignedNumber{negative ? -number.value : number.value, at, number.end};
  }
  return std::nullopt;
}

std::string lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  return out;
}

// The number is all there is, but for signs.
std::optional<double> only_number(std::string_view text) {
  text = trim(text);
  const auto number = first_number(text);
  if (!number) return std::nullopt;
  std::string_view before = text.substr(0, number->begin), after = text.substr(number->end);
  for (bool found = true; found;) {
    before = trim(before);
    found = drop_last(before, kCurrencies) || drop_last(before, kMinuses);
  }
  if (before == "+") before = "";
  const bool alone = before.empty() && (after.empty() || after == "." || after == "%");
  return alone ? std::optional(number->value) : std::nullopt;
}

}  // namespace

std::optional<double> extract_answer(std::string_view text) {
  const std::string lower = lower_ascii(text);
  for (std::size_t limit = std::string::npos;;) {
    std::size_t found = std::string::npos, behind = 0;
    for (const std::string_view marker : kMarkers) {
      const std::size_t place = lower.rfind(marker, limit);
      if (place == std::string::npos || (found != std::string::npos && place < found)) continue;
      found = place;
      behind = place + marker.size();
    }
    if (found == std::string::npos) return std::nullopt;
    if (const auto number = first_number(text.substr(behind, kReach))) return number->value;
    if (found == 0) return std::nullopt;
    limit = found - 1;
  }
}

std::optional<double> reference_answer(std::string_view text) {
  if (const auto answer = extract_answer(text)) return answer;
  return only_number(text);
}

}  // namespace svtune
