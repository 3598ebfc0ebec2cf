// The declared commands as files: options reference in Markdown, man page, shell completion.
#pragma once

#include <string>
#include <vector>

namespace svtune {

struct Command;

struct ProgramInfo {
  std::string name = "svtune";
  std::string version;
};

// docs/options.md: one table of options a group and command.
std::string markdown_reference(const std::vector<Command>& commands);
// svtune(1) in roff (man macros).
std::string man_page(const ProgramInfo& program, const std::vector<Command>& commands);
std::string bash_completion(const std::vector<Command>& commands);
std::string zsh_completion(const std::vector<Command>& commands);

}  // namespace svtune
