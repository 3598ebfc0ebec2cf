#include "cli/report_command.h"

#include "base/errors.h"
#include "base/files.h"
#include "report/html.h"
#include "report/report.h"
#include "report/run_files.h"

namespace svtune {

int run(const ReportOptions& options, CommandContext& context) {
  if (!options.names.empty() && options.names.size() != options.runs.size()) {
    throw UsageError("--names: got " + std::to_string(options.names.size()) +
                     ", need one for each of " + std::to_string(options.runs.size()) + " runs");
  }
  require_page_place(options.output);
  std::vector<RunFiles> runs;
  for (std::size_t i = 0; i < options.runs.size(); ++i) {
    runs.push_back(load_run_files(options.runs[i]));
    if (!options.names.empty()) runs.back().run.name = options.names[i];
  }
  const std::string own_title = runs.size() == 1 ? runs[0].run.name : "Comparison of runs";
  ReportInput input = merge_runs(options.title.empty() ? own_title : options.title, runs);
  input.footer = context.program.name + " " + context.program.version;
  write_file_atomic(options.output, render_report(input));
  context.out << options.output.string() << '\n';
  return 0;
}

}  // namespace svtune
