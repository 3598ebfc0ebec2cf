#include "cli/token_lines.h"

#include <limits>

#include "base/errors.h"

namespace svtune {

std::string text_of(const Json& line, const std::string& place) {
  const Json& text = line.at("text");
  if (!text.is_string()) throw FileError(place, "\"text\" must be a string");
  return text.get<std::string>();
}

std::vector<std::int32_t> ids_of(const Json& line, const std::string& place) {
  const auto found = line.find("ids");
  if (found == line.end() || !found->is_array()) {
    throw FileError(place, "need \"text\" or a list \"ids\"");
  }
  std::vector<std::int32_t> ids;
  for (const Json& each : *found) {
    if (!each.is_number_integer() || each.get<std::int64_t>() < 0 ||
        each.get<std::int64_t>() > std::numeric_limits<std::int32_t>::max()) {
      throw FileError(place, "\"ids\" holds " + each.dump() + ", need token ids");
    }
    ids.push_back(each.get<std::int32_t>());
  }
  return ids;
}

}  // namespace svtune
