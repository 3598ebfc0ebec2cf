#include "report/answer_score.h"

#include <cstdint>
#include <string>
#include <string_view>

#include "base/errors.h"
#include "base/files.h"
#include "base/json.h"
#include "base/text_util.h"

namespace svtune {
namespace {

constexpr std::uint64_t kMostAnswerBytes = std::uint64_t{1} << 32;

}  // namespace

ReportScore read_score(const std::filesystem::path& path) {
  const std::string text = read_file(path, kMostAnswerBytes);
  ReportScore score;
  std::int64_t line_number = 0;
  for (const std::string_view line : split(text, '\n')) {
    ++line_number;
    if (trim(line).empty()) continue;
    const Json answer = parse_json(line, path.string(), {.first_line = line_number});
    if (!answer.is_object() || !answer.contains("correct") || !answer["correct"].is_boolean()) {
      throw FileError(path.string() + ":" + std::to_string(line_number),
                      "no answer with a true or false \"correct\"",
                      "give what svtune eval --task exact-match --answers wrote");
    }
    ++score.asked;
    score.right += answer["correct"].get<bool>() ? 1 : 0;
  }
  if (score.asked == 0) throw FileError(path.string(), "holds no answers");
  return score;
}

}  // namespace svtune
