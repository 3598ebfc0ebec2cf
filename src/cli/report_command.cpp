#include "cli/report_command.h"

#include "base/errors.h"
#include "base/files.h"
#include "report/answer_score.h"
#include "report/html.h"
#include "report/report.h"
#include "report/run_files.h"

namespace svtune {

namespace {

void require_one_each(const std::string& option, std::size_t got, std::size_t runs) {
  if (got == 0 || got == runs) return;
  throw UsageError(option + ": got " + std::to_string(got) + ", need one for each of " +
                   std::to_string(runs) + " runs");
}

}  // namespace

int run(const ReportOptions& options, CommandContext& context) {
  require_one_each("--names", options.names.size(), options.runs.size());
  require_one_each("--answers", options.answers.size(), options.runs.size());
  require_page_place(options.output);
  std::vector<RunFiles> runs;
  for (std::size_t i = 0; i < options.runs.size(); ++i) {
    runs.push_back(load_run_files(options.runs[i]));
    if (!options.names.empty()) runs.back().run.name = options.names[i];
    if (!options.answers.empty()) runs.back().run.exact_match = read_score(options.answers[i]);
  }
  const std::string own_title = runs.size() == 1 ? runs[0].run.name : "Comparison of runs";
  ReportInput input = merge_runs(options.title.empty() ? own_title : options.title, runs);
  input.footer = context.program.name + " " + context.program.version;
  write_file_atomic(options.output, render_report(input));
  context.out << options.output.string() << '\n';
  return 0;
}

}  // namespace svtune
