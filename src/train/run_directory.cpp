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
#include "train/run_config.h"

namespace svtune {
namespace {

constexpr char kLockFile[] = ".lock";
constexpr char kRecordFile[] = "checkpoints/initialisation.json";

bool is_run(const std::filesystem::path& path) {
  return std::filesystem::exists(config_file(path));
}

// Both have a config.json.
void refuse_model(const std::filesystem::path& path) {
  const Json config = read_json_file(config_file(path));
  if (!config.is_object() || !config.contains("model_type")) return;
  throw FileError(path.string(), "is a model directory, need one for the run",
                  "Choose another --output.");
}

bool has_files(const std::filesystem::path& path) {
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    if (entry.path().filename() != kLockFile) return true;
  }
  return false;
}

void check_run_directory(const std::filesystem::path& path, bool resume) {
  require_file_name(path);
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::status_known(status)) {
    throw FileError(path.string(), error.message(), hint_of_errno(error.value()));
  }
  if (!std::filesystem::exists(status)) {
    if (!std::filesystem::is_symlink(std::filesystem::symlink_status(path, error))) return;
    throw FileError(path.string(), "is a link that leads nowhere",
                    "Make the directory that it leads to, or choose another --output.");
  }
  if (is_run(path)) refuse_model(path);
  if (resume && is_run(path)) return;
  if (!std::filesystem::is_directory(status)) {
    throw FileError(path.string(), "is not a directory", "Choose another --output.");
  }
  remove_stale_temporaries(path);  // of a run that was killed before it had a config.json
  if (!has_files(path)) return;
  if (is_run(path)) {
    throw FileError(path.string(), "the run directory is not empty",
                    "Go on with --resume, or choose another --output.");
  }
  throw FileError(path.string(), "the directory is not empty and holds no run",
                  "Choose another --output.");
}

}  // namespace

bool has_checkpoint(const std::filesystem::path& run) {
  return std::filesystem::exists(run / "checkpoints") && !CheckpointStore(run).steps().empty();
}

void save_record(const std::filesystem::path& run, const Attached& attached) {
  std::filesystem::create_directories((run / kRecordFile).parent_path());
  write_file_atomic(run / kRecordFile, dump_json(record_to_json(attached.record), 2));
}

AdapterRecord read_record(const std::filesystem::path& run) {
  const std::filesystem::path file = run / kRecordFile;
  try {
    return record_from_json(read_json_file(file), file.string());
  } catch (const UsageError& error) {
    throw file_error_of(file.string(), error);
  }
}

void restore_record(const std::filesystem::path& run, Attached& attached) {
  attached.record = read_record(run);
  for (AdaptedLayer& layer : attached.report.layers) {
    layer.report = attached.record.layers.value(layer.name, Json::object());
  }
}

RunDirectory::Lock::Lock(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / kLockFile;
  std::error_code ignored;
  made_file_ = !std::filesystem::exists(path, ignored);
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
  if (!lock_) {
    lock_.emplace(path_);
    // Another process may have begun and ended a run there since it was looked at.
    check_run_directory(path_, resume);
  }
  holds_run_ = is_run(path_);
}

void RunDirectory::begin(const TrainOptions& options) {
  begun_ = true;
  write_file_atomic(config_file(path_),
                    dump_json(config_of_run(options), {.indent = 2, .final_newline = true}));
}

RunDirectory::~RunDirectory() {
  if (begun_) return;
  std::error_code ignored;
  if (lock_ && lock_->made_file()) std::filesystem::remove(path_ / kLockFile, ignored);
  if (created_) std::filesystem::remove(path_, ignored);  // refuses one that is not empty
}

}  // namespace svtune
