// AtomicDirectory: a directory that appears complete, or replaces another in one step.
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/errors.h"
#include "base/files.h"

namespace svtune {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void throw_system(const fs::path& path, const std::string& doing, int error) {
  throw FileError(path.string(), doing + ": " + std::strerror(error), hint_of_errno(error));
}

fs::path without_trailing_slash(fs::path path) {
  path = path.lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

void require_usable(const fs::path& path, IfExists if_exists) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(path, error);
  if (!fs::exists(status)) return;
  if (!fs::is_directory(status)) {
    throw FileError(path.string(), "exists and is not a directory", "choose another name");
  }
  if (if_exists == IfExists::kFail && !fs::is_empty(path, error)) {
    throw FileError(path.string(), "directory exists and is not empty",
                    "choose another output directory, or remove this one");
  }
}

void sync_tree(const fs::path& root) {
  std::error_code error;
  for (fs::recursive_directory_iterator it(root, error), end; !error && it != end;
       it.increment(error)) {
    detail::sync_path(it->path());
  }
  detail::sync_path(root);
}

}  // namespace

AtomicDirectory::AtomicDirectory(fs::path path, IfExists if_exists)
    : path_(without_trailing_slash(std::move(path))), if_exists_(if_exists) {
  if (path_.empty() || path_.filename() == "." || path_.filename() == "..") {
    throw FileError(path_.string(), "is not a name for a new directory");
  }
  require_usable(path_, if_exists_);
  std::error_code error;
  if (path_.has_parent_path()) fs::create_directories(path_.parent_path(), error);
  if (error) throw_system(path_, "cannot create the parent directory", error.value());
  detail::remove_stale_siblings(path_);
  staging_ = detail::temporary_sibling(path_);
  fs::create_directory(staging_, error);
  if (error) throw_system(path_, "cannot create", error.value());
}

AtomicDirectory::~AtomicDirectory() {
  std::error_code ignored;
  if (!staging_.empty()) fs::remove_all(staging_, ignored);
}

void AtomicDirectory::commit() {
  sync_tree(staging_);
  require_usable(path_, if_exists_);
  std::error_code error;
  const bool occupied = fs::is_directory(path_, error) && !fs::is_empty(path_, error);
  if (occupied) {
    // After the exchange staging_ names the old content, which the destructor removes.
    if (::renameat2(AT_FDCWD, staging_.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) != 0) {
      const fs::path old = detail::temporary_sibling(path_);
      if (::rename(path_.c_str(), old.c_str()) != 0) throw_system(path_, "cannot move", errno);
      if (::rename(staging_.c_str(), path_.c_str()) != 0) {
        const int reason = errno;
        if (::rename(old.c_str(), path_.c_str()) != 0) throw_system(old, "cannot move", errno);
        throw_system(path_, "cannot replace", reason);
      }
      staging_ = old;
    }
    fs::remove_all(staging_, error);
  } else if (::rename(staging_.c_str(), path_.c_str()) != 0) {
    throw_system(path_, "cannot create", errno);
  }
  staging_.clear();
  detail::sync_path(path_.parent_path());
}

}  // namespace svtune
