// The share of right answers in a file that svtune eval --task exact-match --answers wrote.
#pragma once

#include <filesystem>

#include "report/report_input.h"

namespace svtune {

// Throws FileError naming the line where a line is no JSON object with a true or false "correct",
// and for a file without lines.
ReportScore read_score(const std::filesystem::path& path);

}  // namespace svtune
