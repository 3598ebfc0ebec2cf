#include "cli/core/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/text_util.h"

namespace svtune {
namespace {

bool locale_is_utf8(const EnvironmentLookup& environment) {
  // The first that is set decides, as in setlocale(3).
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string value = to_lower_ascii(environment(name));
    if (value.empty()) continue;
    return value.find("utf-8") != std::string::npos || value.find("utf8") != std::string::npos;
  }
  return false;
}

int positive_number(const std::string& text) {
  int value = 0;
  const auto end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  return result.ec == std::errc() && result.ptr == end ? std::max(value, 0) : 0;
}

}  // namespace

std::string process_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

TerminalInfo inspect_terminal(int fd, const EnvironmentLookup& environment) {
  winsize size{};
  const bool is_tty = isatty(fd) == 1;
  const int columns = is_tty && ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
  return detail::judge_terminal(is_tty, columns, environment);
}

TerminalInfo detail::judge_terminal(bool is_tty, int columns,
                                    const EnvironmentLookup& environment) {
  TerminalInfo info;
  const bool dumb = environment("TERM") == "dumb";
  info.interactive = is_tty && !dumb && environment("CI").empty();
  const bool forced =
      !environment("CLICOLOR_FORCE").empty() && environment("CLICOLOR_FORCE") != "0";
  info.colour = environment("NO_COLOR").empty() && !dumb && (is_tty || forced);
  info.utf8 = locale_is_utf8(environment);
  if (columns <= 0) columns = positive_number(environment("COLUMNS"));
  if (columns > 0) info.width = std::clamp(columns, 20, 1000);
  return info;
}

}  // namespace svtune
