#include "cli/core/application.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <iostream>
#include <new>

#include "base/files.h"
#include "base/text_util.h"
#include "cli/core/interrupt.h"
#include "cli/core/terminal.h"

namespace svtune {
namespace {

// Line breaks would split the message, control characters could drive the terminal.
std::string one_line(std::string_view text) {
  return std::string(trim(replace_all(without_controls(text), "\n", " ")));
}

int report(std::ostream& err, std::string_view message, std::string_view hint, int code) {
  const std::string text = one_line(message);
  err << "error: " << (text.empty() ? "unknown failure" : text) << '\n';
  err << "hint: " << one_line(hint) << '\n';
  err.flush();
  return code;
}

// For files without a more exact advice.
constexpr const char* kLookAtFile =
    "look at the named place and compare it with what such a file should hold";

// LibTorch appends a stack trace to the text of its exceptions.
std::string_view first_line(std::string_view text) { return text.substr(0, text.find('\n')); }

int report_current(std::ostream& err, const std::string& help) {
  try {
    throw;
  } catch (const Error& error) {
    const bool usage = dynamic_cast<const UsageError*>(&error) != nullptr;
    const bool file = dynamic_cast<const FileError*>(&error) != nullptr;
    const std::string fallback = file ? kLookAtFile : help;
    return report(err, error.what(), error.hint().empty() ? fallback : error.hint(), usage ? 2 : 1);
  } catch (const std::bad_alloc&) {
    return report(err, "out of memory", "use a smaller batch or model, or free memory", 1);
  } catch (const std::filesystem::filesystem_error& error) {
    // Where a path was only looked at.
    const std::string hint = hint_of_errno(error.code().value());
    return report(err, error.path1().string() + ": " + error.code().message(),
                  hint.empty() ? kLookAtFile : hint, 1);
  } catch (const std::exception& error) {
    return report(err, first_line(error.what()), help, 1);
  } catch (...) {
    return report(err, "", help, 1);
  }
}

// A stream that the caller has closed leaves its number to the next file that is opened, and what
// is printed would be written into that. What takes its place is open the other way round: reading
// and writing fail as they would without.
void hold_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) >= 0) continue;
    if (::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0) return;
  }
}

int dispatch(const ProgramInfo& program, const std::vector<std::string>& args,
             CommandContext& context) {
  if (args.empty()) throw UsageError("no command given", "svtune help lists the commands");
  const std::string& name = args.front();
  if (name == "--version") {
    context.out << program.name << ' ' << program.version << '\n';
    return 0;
  }
  if (name == "-h" || name == "--help") {
    context.out << program_help(context.commands, help_style());
    return 0;
  }
  const Command* command = find_command(context.commands, name);
  if (command == nullptr) throw unknown_command(context.commands, name);
  return command->run({args.begin() + 1, args.end()}, context);
}

}  // namespace

HelpStyle help_style() {
  const TerminalInfo terminal = inspect_terminal(STDOUT_FILENO);
  return {std::clamp(terminal.width, 60, 100), terminal.colour};
}

void print_command_help(const Command& command, std::ostream& out) {
  out << command_help(command, help_style());
}

const Command* find_command(const std::vector<Command>& commands, std::string_view name) {
  const auto it = std::find_if(commands.begin(), commands.end(),
                               [&](const Command& command) { return command.info.name == name; });
  return it == commands.end() ? nullptr : &*it;
}

UsageError unknown_command(const std::vector<Command>& commands, const std::string& name) {
  std::vector<std::string> names = {"--help", "--version"};
  for (const Command& command : commands) names.emplace_back(command.info.name);
  const std::string nearest = nearest_name(name, names);
  const std::string what = name.starts_with('-') ? "unknown option " : "unknown command ";
  return UsageError(what + name, nearest.empty() ? "svtune help lists the commands"
                                                 : "did you mean " + nearest + "?");
}

int run_application(const ProgramInfo& program, const std::vector<Command>& commands,
                    const std::vector<std::string>& args, std::ostream& out, std::ostream& err) {
  CommandContext context{commands, program, out, err};
  try {
    return dispatch(program, args, context);
  } catch (...) {
    stay_if_ending();
    const bool known = !args.empty() && find_command(commands, args.front()) != nullptr;
    return report_current(err, known ? "svtune help " + args.front() + " lists the options"
                                     : "svtune help lists the commands");
  }
}

int run_main(const ProgramInfo& program, const std::vector<Command>& commands, int argc,
             char** argv) {
  hold_standard_streams();
  end_process_on_signals();
  const int code = run_application(program, commands, {argv + std::min(argc, 1), argv + argc},
                                   std::cout, std::cerr);
  const bool lost = code == 0 && !std::cout.flush();
  stay_if_ending();
  if (lost) {
    return report(std::cerr, "standard output could not be written", "is the disk full?", 1);
  }
  return code;
}

}  // namespace svtune
