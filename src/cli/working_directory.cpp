#include "cli/working_directory.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

namespace svtune {

void require_working_directory(int, char**, char**) {
  std::array<char, 4096> path;
  if (getcwd(path.data(), path.size()) != nullptr || errno == ERANGE) return;
  const std::string text = std::string("error: the working directory: ") + std::strerror(errno) +
                           "\nhint: change to a directory that is there, e.g. with: cd /\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
  _exit(1);
}

}  // namespace svtune
