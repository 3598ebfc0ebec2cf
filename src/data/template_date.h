// The date that chat templates see: fixed once, so that a run repeats to the same bytes.
#pragma once

#include <ctime>
#include <string>

namespace svtune {

// "2026-07-04" as midnight of that day. Throws UsageError for other texts.
std::tm parse_date(const std::string& text);

// Today in the local time zone, as parse_date() takes it.
std::string today();

}  // namespace svtune
