// How a command presents itself: what its options struct holds as kCommand.
#pragma once

#include <string_view>

namespace svtune {

struct CommandInfo {
  std::string_view name;
  std::string_view summary;           // one line, no full stop
  std::string_view description = "";  // paragraphs, separated by an empty line
  std::string_view examples = "";     // one command a line
  bool config = true;                 // takes --config FILE
};

}  // namespace svtune
