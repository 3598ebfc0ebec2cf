#include "train/run_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

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

void check_run_directory(const std::filesystem::path& path, bool resume) {
  if (resume) {
    if (!is_run(path)) {
      throw FileError(path.string(), "there is no run to resume",
                      "Leave out --resume to start one.");
    }
    return;
  }
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) return;
  if (!std::filesystem::is_directory(status)) {
    throw FileError(path.string(), "is not a directory", "Choose another --output.");
  }
  remove_stale_temporaries(path);  // of a run that was killed before it had a config.json
  if (has_files(path)) {
    throw FileError(path.string(), "the run directory is not empty",
                    is_run(path) ? "Go on with --resume, or choose another --output."
                                 : "Choose another --output.");
  }
}

}  // namespace

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

RunDirectory::Lock::Lock(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / kLockFile;
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file_ < 0) {
    const int error = errno;
    throw FileError(path.string(),
                    std::string("cannot create the lock file: ") + std::strerror(error),
                    hint_of_errno(error));
  }
  // A run that failed to begin may have removed the file since it was opened.
  struct stat held{}, named{};
  if (::flock(file_, LOCK_EX | LOCK_NB) != 0 || ::fstat(file_, &held) != 0 ||
      ::stat(path.c_str(), &named) != 0 || held.st_ino != named.st_ino) {
    ::close(file_);
    throw FileError(directory.string(), "another process is training in this directory",
                    "Wait for it to end, or choose another --output.");
  }
}

RunDirectory::Lock::~Lock() { ::close(file_); }

RunDirectory::RunDirectory(std::filesystem::path path, bool resume) : path_(std::move(path)) {
  std::error_code failed;
  // Whether a run is alive matters more than what it has written so far.
  if (std::filesystem::exists(path_ / kLockFile, failed)) lock_.emplace(path_);
  check_run_directory(path_, resume);
  created_ = std::filesystem::create_directories(path_, failed);
  if (failed) {
    throw FileError(path_.string(), "cannot create the directory: " + failed.message(),
                    hint_of_errno(failed.value()));
  }
  if (!lock_) lock_.emplace(path_);
}

void RunDirectory::begin(const TrainOptions& options) {
  TrainOptions saved = options;
  saved.run.resume = false;
  write_file_atomic(path_ / "config.json",
                    dump_json(fields_to_json(saved), {.indent = 2, .final_newline = true}));
}

RunDirectory::~RunDirectory() {
  std::error_code ignored;
  if (created_ && !is_run(path_)) {
    std::filesystem::remove(path_ / kLockFile, ignored);
    std::filesystem::remove(path_, ignored);  // refuses a directory that is not empty
  }
}

}  // namespace svtune
