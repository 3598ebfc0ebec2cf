// The directory of a run: created for it alone, locked while it trains, with the resolved
// options in config.json.
#pragma once

#include <filesystem>
#include <optional>

#include "attach/attach.h"
#include "train/run_options.h"

namespace svtune {

bool has_checkpoint(const std::filesystem::path& run);

// How the adapters were initialised: decomposed once, and remembered for a resumed run.
void save_record(const std::filesystem::path& run, const Attached& attached);
AdapterRecord read_record(const std::filesystem::path& run);
void restore_record(const std::filesystem::path& run, Attached& attached);

// Creates the directory and takes its lock. Throws FileError when another process trains there,
// and when a new run, which `resume` begins where there is none, would meet a directory that is
// not empty. The lock ends with the object or the process; a directory in which no run has begun
// goes with the object.
class RunDirectory {
 public:
  RunDirectory(std::filesystem::path path, bool resume);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  // Whether a run was begun there before.
  bool holds_run() const { return holds_run_; }
  // Writes config.json: from here on the run exists and can be resumed.
  void begin(const TrainOptions& options);

 private:
  // Held while it lives; a file that stays behind has no effect.
  class Lock {
   public:
    explicit Lock(const std::filesystem::path& directory);
    ~Lock();
    bool made_file() const { return made_file_; }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

   private:
    int file_ = -1;
    bool made_file_ = false;
  };

  std::filesystem::path path_;
  bool created_ = false, holds_run_ = false, begun_ = false;
  std::optional<Lock> lock_;
};

}  // namespace svtune
