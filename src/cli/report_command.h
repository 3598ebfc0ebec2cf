// svtune report: one page from one or several runs.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/core/command.h"

namespace svtune {

struct ReportOptions {
  static constexpr CommandInfo kCommand{
      .name = "report",
      .summary = "Draw the curves and figures of runs on one page",
      .description =
          "Reads metrics.jsonl, report.json and config.json of each run directory and "
          "writes a single HTML file that needs no network. Runs may still be going.",
      .examples =
          "svtune report runs/pissa runs/lora --output compare.html\n"
          "svtune report runs/pissa runs/lora --answers pissa.jsonl,lora.jsonl"};
  std::vector<std::filesystem::path> runs;
  std::filesystem::path output = "report.html";
  std::string title;
  std::vector<std::string> names;
  std::vector<std::filesystem::path> answers;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.runs, {.name = "runs",
                      .help = "Directories that svtune train wrote",
                      .value_name = "RUN",
                      .separator = 0,
                      .required = true,
                      .positional = true,
                      .path = PathHint::kDirectory});
    visit(self.output, {.name = "output", .help = "HTML file to write", .path = PathHint::kFile});
    visit(self.title, {.name = "title",
                       .help = "Heading of the page; the run's name without one",
                       .free_text = true});
    visit(self.names, {.name = "names", .help = "Names of the runs, instead of their own"});
    visit(self.answers,
          {.name = "answers",
           .help = "What svtune eval --task exact-match --answers wrote, a file for each run: the "
                   "share of right ones joins the figures",
           .value_name = "FILE",
           .path = PathHint::kFile});
  }
};

int run(const ReportOptions& options, CommandContext& context);

}  // namespace svtune
