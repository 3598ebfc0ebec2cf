#include "data/template_date.h"

#include <array>
#include <charconv>
#include <cstdio>

#include "base/errors.h"

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
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02d-%02d", local.tm_year + 1900, local.tm_mon + 1,
                local.tm_mday);
  return text.data();
}

}  // namespace svtune
