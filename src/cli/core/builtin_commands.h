// Commands about the commands themselves.
#pragma once

#include <string>

#include "cli/core/command.h"
#include "cli/core/documents.h"

namespace svtune {

struct HelpOptions {
  static constexpr CommandInfo kCommand{
      .name = "help", .summary = "Show the options of a command", .config = false};
  std::string command;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.command, {.name = "command",
                         .help = "Command to explain; all commands are listed without one",
                         .value_name = "COMMAND",
                         .positional = true});
  }
};
int run(const HelpOptions& options, CommandContext& context);

enum class Shell { kBash, kZsh };
inline constexpr EnumName<Shell> kShellNames[] = {{Shell::kBash, "bash"}, {Shell::kZsh, "zsh"}};
constexpr std::span<const EnumName<Shell>> enum_names(Shell) { return kShellNames; }

struct CompletionOptions {
  static constexpr CommandInfo kCommand{
      .name = "completion",
      .summary = "Print the completion script of a shell",
      .examples =
          "svtune completion bash > ~/.local/share/bash-completion/completions/svtune\n"
          "svtune completion zsh > ~/.zfunc/_svtune",
      .config = false};
  std::optional<Shell> shell;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.shell, {.name = "shell",
                       .help = "Shell to write for",
                       .value_name = "SHELL",
                       .required = true,
                       .positional = true});
  }
};
int run(const CompletionOptions& options, CommandContext& context);

struct ManOptions {
  static constexpr CommandInfo kCommand{.name = "man",
                                        .summary = "Print the man page in roff",
                                        .examples = "svtune man | man -l -",
                                        .config = false};

  template <class Self, class Visitor>
  static void fields(Self&, Visitor&) {}
};
int run(const ManOptions& options, CommandContext& context);

struct DocsOptions {
  static constexpr CommandInfo kCommand{.name = "docs",
                                        .summary = "Print the reference of all options in Markdown",
                                        .examples = "svtune docs > docs/options.md",
                                        .config = false};

  template <class Self, class Visitor>
  static void fields(Self&, Visitor&) {}
};
int run(const DocsOptions& options, CommandContext& context);

}  // namespace svtune
