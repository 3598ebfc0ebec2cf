// The directory of a run: created for it alone, locked while it trains, with the resolved
// options in config.json.
#pragma once

#include <filesystem>

#include "peft/attach.h"
#include "train/run_options.h"

namespace svtune {

// Throws FileError when a new run would meet a directory that is not empty, or a resumed one
// a directory without a run. Looks only.
void check_run_directory(const std::filesystem::path& path, bool resume);

bool has_checkpoint(const std::filesystem::path& run);

// How the adapters were initialised: decomposed once, and remembered for a resumed run.
void save_record(const std::filesystem::path& run, const Attached& attached);
void restore_record(const std::filesystem::path& run, Attached& attached);

// Creates the directory, takes its lock (FileError when another process trains there) and
// writes config.json. The lock ends with the object or the process.
class RunDirectory {
 public:
  RunDirectory(const std::filesystem::path& path, const TrainOptions& options);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

 private:
  int lock_ = -1;
};

}  // namespace svtune
