// AtomicDirectory: a directory that appears complete, or replaces another in one step.
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/temporaries.h"
#include "base/temporary_locks.h"

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

// Where a link to a directory leads; other paths as they are.
fs::path through_link(fs::path path) {
  std::error_code failed;
  if (!fs::is_symlink(path, failed) || !fs::is_directory(path, failed)) return path;
  fs::path target = fs::canonical(path, failed);
  return failed ? path : target;
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

// Links where the disk has them; the original stays until the directories are exchanged.
void keep_entry(const fs::path& from, const fs::path& to) {
  constexpr fs::copy_options kTree = fs::copy_options::recursive | fs::copy_options::copy_symlinks;
  std::error_code error;
  fs::copy(from, to, kTree | fs::copy_options::create_hard_links, error);
  if (!error) return;
  std::error_code ignored;
  fs::remove_all(to, ignored);
  fs::copy(from, to, kTree, error);
  if (error) throw_system(from, "cannot keep", error.value());
}

// What `old` holds under names that `staging` has not, also in folders that both have.
void keep_others(const fs::path& old, const fs::path& staging) {
  std::error_code error;
  for (fs::directory_iterator it(old, error), end; !error && it != end; it.increment(error)) {
    const fs::path place = staging / it->path().filename();
    std::error_code ignored;
    if (!fs::exists(fs::symlink_status(place, ignored))) {
      keep_entry(it->path(), place);
    } else if (fs::is_directory(it->symlink_status(ignored)) && fs::is_directory(place, ignored)) {
      keep_others(it->path(), place);
    }
  }
  if (error) throw_system(old, "cannot read", error.value());
}

void sync_tree(const fs::path& root) {
  std::error_code error;
  for (fs::recursive_directory_iterator it(root, error), end; !error && it != end;
       it.increment(error)) {
    detail::sync_path(it->path());
  }
  detail::sync_path(root);
}

void remove_temporary(const fs::path& staging) {
  std::error_code ignored;
  fs::remove_all(staging, ignored);
  detail::Temporaries().forget(staging);
}

void take_name(const fs::path& staging, const fs::path& path) {
  detail::Temporaries temporaries;
  if (::rename(staging.c_str(), path.c_str()) != 0) throw_system(path, "cannot create", errno);
  temporaries.forget(staging);
}

// Afterwards `staging` names the old content.
void exchange(fs::path& staging, const fs::path& path, const fs::path& old) {
  detail::Temporaries temporaries;
  const int exchanged =
      ::renameat2(AT_FDCWD, staging.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE);
  if (exchanged == 0) return;
  if (::rename(path.c_str(), old.c_str()) != 0) throw_system(path, "cannot move", errno);
  if (::rename(staging.c_str(), path.c_str()) != 0) {
    const int reason = errno;
    if (::rename(old.c_str(), path.c_str()) != 0) throw_system(old, "cannot move", errno);
    throw_system(path, "cannot replace", reason);
  }
  temporaries.forget(staging);
  temporaries.add(old);
  staging = old;
}

}  // namespace

AtomicDirectory::AtomicDirectory(fs::path path, IfExists if_exists) : if_exists_(if_exists) {
  require_file_name(path);
  path_ = through_link(without_trailing_slash(std::move(path)));
  if (path_.empty() || path_.filename() == "." || path_.filename() == "..") {
    throw FileError(path_.string(), "is not a name for a new directory");
  }
  require_usable(path_, if_exists_);
  std::error_code error;
  if (path_.has_parent_path()) fs::create_directories(path_.parent_path(), error);
  if (error) throw_system(path_, "cannot create the parent directory", error.value());
  detail::remove_stale_siblings(path_);
  lock_ = std::make_unique<detail::FolderLock>(path_);
  if (!lock_->held()) throw_system(path_, "cannot create", errno);
  staging_ = lock_->folder();
  fs::remove_all(staging_, error);  // what another of the same name left
  detail::Temporaries temporaries;
  fs::create_directory(staging_, error);
  if (!error) temporaries.add(staging_);
  if (error) throw_system(path_, "cannot create", error.value());
}

AtomicDirectory::~AtomicDirectory() {
  if (!staging_.empty()) remove_temporary(staging_);
}

void AtomicDirectory::commit() {
  std::error_code error;
  if (if_exists_ == IfExists::kUpdate && fs::is_directory(path_, error)) {
    keep_others(path_, staging_);
  }
  sync_tree(staging_);
  require_usable(path_, if_exists_);
  if (fs::is_directory(path_, error) && !fs::is_empty(path_, error)) {
    exchange(staging_, path_, lock_->aside());
    remove_temporary(staging_);
  } else {
    take_name(staging_, path_);
  }
  staging_.clear();
  lock_.reset();
  detail::sync_path(path_.parent_path());
}

}  // namespace svtune
