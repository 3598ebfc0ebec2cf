// Every command of the program, in the order of `svtune help`. To add one, write its options
// struct and run function (cli/core/command.h) and name the struct here.
#pragma once

#include "cli/core/builtin_commands.h"
#include "cli/core/command.h"
#include "cli/report_command.h"

namespace svtune {

using Commands =
    CommandList<ReportOptions, HelpOptions, CompletionOptions, ManOptions, DocsOptions>;

inline ProgramInfo program_info() { return {"svtune", SVTUNE_VERSION}; }

}  // namespace svtune
