// What a command is: an options struct that names itself and lists its fields, and a function
//   int run(const Options&)                  or
//   int run(const Options&, CommandContext&)
// found by argument-dependent lookup, which returns the exit code. The struct says
//   static constexpr CommandInfo kCommand{.name = "train", .summary = "..."};
// and its name in a CommandList is all that the command line needs. Where an option stands for
// values of others the struct has
//   static constexpr auto presets = &function;  // as FieldPresets
// and where it matters that an option is given, whatever its value,
//   std::vector<std::string> given;             // no field: the names that the command line has
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"
#include "base/text_util.h"
#include "cli/core/command_info.h"
#include "cli/core/documents.h"
#include "cli/core/option_parser.h"

namespace svtune {

struct Command;

// Where a command writes and what it may describe.
struct CommandContext {
  const std::vector<Command>& commands;
  const ProgramInfo& program;
  std::ostream& out;
  std::ostream& err;

  // On `err`, without control characters.
  void warn(std::string_view text) const { err << "warning: " << without_controls(text) << '\n'; }
};

struct Command {
  CommandInfo info;
  std::function<std::vector<FieldInfo>()> fields;
  std::function<int(const std::vector<std::string>& args, CommandContext& context)> run;
};

// Prints `svtune help NAME` for one command.
void print_command_help(const Command& command, std::ostream& out);
const Command* find_command(const std::vector<Command>& commands, std::string_view name);

template <class Options>
int run_command(const std::vector<std::string>& args, CommandContext& context) {
  const std::vector<FieldInfo> known = describe_fields<Options>();
  const ParsedLine line = parse_line(known, args, Options::kCommand);
  if (line.help) {
    print_command_help(*find_command(context.commands, Options::kCommand.name), context.out);
    return 0;
  }
  for (const std::string& each : line.warnings) context.warn(each);
  Options options;
  FieldPresets presets;
  if constexpr (requires { Options::presets(line.inputs); }) presets = Options::presets;
  apply_line(line, [&options] { return list_fields(options); }, known, presets);
  if constexpr (requires { options.given; }) {
    for (const FieldInput& input : line.inputs) options.given.push_back(input.name);
  }
  if constexpr (requires { run(options, context); }) {
    return run(options, context);
  } else {
    return run(options);
  }
}

// using Commands = CommandList<TrainOptions, EvalOptions, ...>;
template <class... Options>
struct CommandList {
  static std::vector<Command> make() {
    return {Command{Options::kCommand, &describe_fields<Options>, &run_command<Options>}...};
  }
};

}  // namespace svtune
