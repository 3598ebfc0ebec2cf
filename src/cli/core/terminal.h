// What may be written to a stream: colours, redrawn lines, characters beyond ASCII.
#pragma once

#include <functional>
#include <string>

namespace svtune {

struct TerminalInfo {
  bool interactive = false;  // a terminal that can redraw a line
  bool colour = false;
  bool utf8 = false;
  int width = 80;  // columns
};

// The process's variables by default; tests pass their own. Returns "" for an unset name.
using EnvironmentLookup = std::function<std::string(const char* name)>;
std::string process_environment(const char* name);

// Looks at the file descriptor and at TERM, CI, NO_COLOR, CLICOLOR_FORCE, COLUMNS and the locale.
TerminalInfo inspect_terminal(int fd, const EnvironmentLookup& environment = process_environment);

namespace detail {
TerminalInfo judge_terminal(bool is_tty, int columns, const EnvironmentLookup& environment);
}  // namespace detail

}  // namespace svtune
