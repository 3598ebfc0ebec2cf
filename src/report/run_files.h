// A run directory as the report sees it: report.json (name, facts, layers, samples, written
// when a run starts and again when it ends), metrics.jsonl and config.json.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "report/report_input.h"

namespace svtune {

// Labels of the answers of a single run; in a report of several runs the second one becomes
// the run's name.
inline constexpr const char* kAnswerBefore = "before";
inline constexpr const char* kAnswerAfter = "after";

struct RunFiles {
  ReportRun run;
  std::vector<ReportSample> samples;
};

// The name of the folder, of "." and "runs/one/" as well.
std::string run_name(const std::filesystem::path& run_directory);

// Writes report.json with everything but the points and the configuration, which have files
// of their own. Throws FileError.
void save_report_json(const std::filesystem::path& run_directory, const RunFiles& files);

// Reads what the directory has, and the size of the adapter or model in it; the folder's name
// stands in for a missing name. Throws FileError when it has no metrics.jsonl, or a file cannot be
// understood.
RunFiles load_run_files(const std::filesystem::path& run_directory);

// What report.json alone holds; nothing where there is none. Throws FileError.
RunFiles load_report_json(const std::filesystem::path& run_directory);

// Runs side by side. The same question is one sample with the answers of every run.
ReportInput merge_runs(std::string title, const std::vector<RunFiles>& runs);

// Reads a finished or running run and writes its report.html. Throws FileError.
void write_run_report(const std::filesystem::path& run_directory, const std::string& footer);

}  // namespace svtune
