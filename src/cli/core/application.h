// From argv to an exit code: finds the command, runs it, turns every exception into one
// `error:` line, one `hint:` line and 1 (the run failed) or 2 (wrong command line).
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "base/errors.h"
#include "cli/core/command.h"
#include "cli/core/help_text.h"

namespace svtune {

// Never throws. Exit code 0, 1 or 2, or what the command returned.
int run_application(const ProgramInfo& program, const std::vector<Command>& commands,
                    const std::vector<std::string>& args, std::ostream& out, std::ostream& err);

// For main(): standard streams, and a failed write to standard output is an error too.
int run_main(const ProgramInfo& program, const std::vector<Command>& commands, int argc,
             char** argv);

UsageError unknown_command(const std::vector<Command>& commands, const std::string& name);

// Width and colours of standard output.
HelpStyle help_style();

}  // namespace svtune
