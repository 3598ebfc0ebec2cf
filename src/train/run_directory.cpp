#include "train/run_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/files.h"
#include "train/checkpoint.h"

namespace svtune {
namespace {

constexpr char kLockFile[] = ".lock";
constexpr char kRecordFile[] = "checkpoints/initialisation.json";

bool is_run(const std::filesystem::path& path) {
  return std::filesystem::exists(path / "config.json");
}

bool has_files(const std::filesystem::path& path) {
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    if (entry.path().filename() != kLockFile) return true;
  }
  return false;
}

}  // namespace

void check_run_directory(const std::filesystem::path& path, bool resume) {
  if (resume) {
    if (!is_run(path)) {
      throw FileError(path.string(), "there is no run to resume",
                      "Leave out --resume to start one.");
    }
    return;
  }
  if (!std::filesystem::exists(path)) return;
  if (!std::filesystem::is_directory(path)) throw FileError(path.string(), "is not a directory");
  remove_stale_temporaries(path);  // of a run that was killed before it had a config.json
  if (has_files(path)) {
    throw FileError(path.string(), "the run directory is not empty",
                    is_run(path) ? "Go on with --resume, or choose another --output."
                                 : "Choose another --output.");
  }
}

bool has_checkpoint(const std::filesystem::path& run) {
  return std::filesystem::exists(run / "checkpoints") && !CheckpointStore(run).steps().empty();
}

void save_record(const std::filesystem::path& run, const Attached& attached) {
  std::filesystem::create_directories((run / kRecordFile).parent_path());
  write_file_atomic(run / kRecordFile, dump_json(record_to_json(attached.record), 2));
}

void restore_record(const std::filesystem::path& run, Attached& attached) {
  const std::filesystem::path file = run / kRecordFile;
  attached.record = record_from_json(read_json_file(file), file.string());
  for (AdaptedLayer& layer : attached.report.layers) {
    layer.report = attached.record.layers.value(layer.name, Json::object());
  }
}

RunDirectory::RunDirectory(const std::filesystem::path& path, const TrainOptions& options) {
  std::error_code failed;
  std::filesystem::create_directories(path, failed);
  if (failed) throw FileError(path.string(), "cannot create the directory: " + failed.message());
  lock_ = ::open((path / kLockFile).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_ < 0) throw FileError((path / kLockFile).string(), "cannot create the lock file");
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock_);
    throw FileError(path.string(), "another process is training in this directory",
                    "Wait for it to end, or choose another --output.");
  }
  remove_stale_temporaries(path);
  TrainOptions saved = options;
  saved.run.resume = false;
  Json config = fields_to_json(saved);
  write_file_atomic(path / "config.json",
                    dump_json(config, JsonStyle{.indent = 2, .final_newline = true}));
}

RunDirectory::~RunDirectory() {
  if (lock_ >= 0) ::close(lock_);
}

}  // namespace svtune
