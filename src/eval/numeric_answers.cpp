#include "eval/numeric_answers.h"

#include <cmath>
#include <regex>

#include "base/number_text.h"
#include "base/text_util.h"

namespace svtune {
namespace {

// nearbyint rounds halves to even in the default mode, as Python's round does.
std::optional<double> finite(double value) {
  if (!std::isfinite(value)) return std::nullopt;
  return std::nearbyint(value);
}

std::optional<double> value_of(std::string number) {
  const std::size_t slash = number.find('/');
  if (slash != std::string::npos) {
    const double divisor = parse_decimal(std::string_view(number).substr(slash + 1)).value_or(0);
    const auto dividend = parse_decimal(std::string_view(number).substr(0, slash));
    if (divisor == 0) return std::nullopt;
    return finite(dividend.value_or(0) / divisor);
  }
  std::erase(number, ',');
  return finite(parse_decimal(number).value_or(0));
}

std::optional<double> first_number(std::string_view text) {
  // A model's answer is short; the cut keeps the expression's cost bounded.
  const std::string head(text.substr(0, 200));
  static const std::regex pattern(R"([-+]?\d*[.,/]?\d+)");
  std::smatch match;
  if (!std::regex_search(head, match, pattern)) return std::nullopt;
  return value_of(match.str());
}

std::optional<std::string_view> after_last(std::string_view text, std::string_view phrase) {
  const std::size_t found = text.rfind(phrase);
  if (found == std::string_view::npos) return std::nullopt;
  return text.substr(found + phrase.size());
}

}  // namespace

std::optional<double> extract_answer(std::string_view text) {
  const auto tail = after_last(text, "The answer is: ");
  return tail ? first_number(*tail) : std::nullopt;
}

std::optional<double> reference_answer(std::string_view text) {
  if (const auto tail = after_last(text, "#### ")) {
    std::string number(tail->substr(0, 64));
    std::erase(number, ',');
    return first_number(number);
  }
  if (const auto answer = extract_answer(text)) return answer;
  std::string number(text.substr(0, 64));
  std::erase(number, ',');
  const auto value = parse_decimal(trim(number));
  return value ? finite(*value) : std::nullopt;
}

}  // namespace svtune
