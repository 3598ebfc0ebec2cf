#include "data/template_date.h"

#include <charconv>

#include "base/errors.h"
#include "base/number_text.h"

namespace svtune {
namespace {

// Digits [begin, begin + size) as a number; -1 when they are none.
int number_at(const std::string& text, std::size_t begin, std::size_t size) {
  int value = -1;
  const char* first = text.data() + begin;
  const auto [end, error] = std::from_chars(first, first + size, value);
  return error == std::errc() && end == first + size && *first != '-' ? value : -1;
}

}  // namespace

std::tm parse_date(const std::string& text) {
  std::tm date{};
  const bool shaped = text.size() == 10 && text[4] == '-' && text[7] == '-';
  if (shaped) {
    date.tm_year = number_at(text, 0, 4) - 1900;
    date.tm_mon = number_at(text, 5, 2) - 1;
    date.tm_mday = number_at(text, 8, 2);
  }
  // The calendar, not the time zone, gives the day of the week; an impossible day moves.
  std::tm normal = date;
  if (!shaped || date.tm_year < 0 || ::timegm(&normal) == -1 || normal.tm_mon != date.tm_mon ||
      normal.tm_mday != date.tm_mday) {
    throw UsageError("--date: got \"" + text + "\", need a day as 2026-07-04");
  }
  return normal;
}

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  const auto part = [](int value, std::size_t width) {
    return zero_padded(static_cast<std::uint64_t>(value), width);
  };
  return part(local.tm_year + 1900, 4) + "-" + part(local.tm_mon + 1, 2) + "-" +
         part(local.tm_mday, 2);
}

}  // namespace svtune
