// Every command of the program, in the order of `svtune help`. To add one, write its options
// struct and run function (cli/core/command.h) and name the struct here.
#pragma once

#include "cli/bench_command.h"
#include "cli/cache_command.h"
#include "cli/convert_command.h"
#include "cli/core/builtin_commands.h"
#include "cli/core/command.h"
#include "cli/count_command.h"
#include "cli/demo_data_command.h"
#include "cli/eval_command.h"
#include "cli/export_command.h"
#include "cli/generate_command.h"
#include "cli/inspect_command.h"
#include "cli/merge_command.h"
#include "cli/quantize_command.h"
#include "cli/recipes_command.h"
#include "cli/report_command.h"
#include "cli/score_command.h"
#include "cli/tokenize_command.h"
#include "cli/train_command.h"

namespace svtune {

using Commands =
    CommandList<TrainCommandOptions, EvalCommandOptions, GenerateCommandOptions, ChatCommandOptions,
                ScoreOptions, TokenizeOptions, MergeCommandOptions, ExportCommandOptions,
                ConvertOptions, QuantizeCommandOptions, InspectOptions, CountCommandOptions,
                RecipesOptions, ReportOptions, BenchOptions, CacheOptions, DemoDataOptions,
                HelpOptions, CompletionOptions, ManOptions, DocsOptions>;

inline ProgramInfo program_info() { return {"svtune", SVTUNE_VERSION}; }

}  // namespace svtune
