// Fields of the JSON lines that score and tokenize read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"

namespace svtune {

// Whether the line has this key, with something other than null.
bool has_value(const Json& line, const char* key);
// The "text" of a line; FileError naming `place` when it is not a string.
std::string text_of(const Json& line, const std::string& place);
// The "ids" of a line; FileError naming `place` when they are not a list of token ids.
std::vector<std::int32_t> ids_of(const Json& line, const std::string& place);

}  // namespace svtune
