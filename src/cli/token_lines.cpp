#include "cli/token_lines.h"

#include <limits>

#include "base/errors.h"
#include "base/text_util.h"

namespace svtune {

bool has_value(const Json& line, const char* key) {
  const auto found = line.find(key);
  return found != line.end() && !found->is_null();
}

std::string text_of(const Json& line, const std::string& place) {
  const Json& text = line.at("text");
  if (!text.is_string()) throw FileError(place, "\"text\" must be a string");
  return text.get<std::string>();
}

std::vector<std::int32_t> ids_of(const Json& line, const std::string& place) {
  const auto found = line.find("ids");
  if (found == line.end() || !found->is_array()) {
    std::vector<std::string> keys;
    for (const auto& [key, value] : line.items()) keys.push_back(key);
    const std::string there = keys.empty() ? "none" : join_some(keys, ", ");
    throw FileError(place, "need \"text\" or a list \"ids\", there is " + there,
                    "Give each line a text under \"text\", or its token ids.");
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
