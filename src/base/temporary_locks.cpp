#include "base/temporary_locks.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <string>
#include <system_error>

#include "base/temporaries.h"

namespace svtune {
namespace {

constexpr std::string_view kTemporaryMark = ".svtune-tmp-", kLockSuffix = ".lock",
                           kAsideSuffix = ".old";

std::filesystem::path new_sibling(const std::filesystem::path& path, std::string_view suffix) {
  static std::atomic<unsigned> counter{0};
  std::string name = ".";
  name += path.filename().string();
  name += kTemporaryMark;
  name += std::to_string(::getpid()) + "-" + std::to_string(counter++);
  name += suffix;
  return path.parent_path() / name;
}

// Of a temporary's name what it shares with its lock, up to the counter; "" of other names.
std::string_view stem_of(std::string_view name) {
  const auto mark = name.rfind(kTemporaryMark);
  if (name.empty() || name.front() != '.' || mark == std::string_view::npos) return {};
  const auto end_of_digits = [name](std::size_t from) {
    return std::min(name.find_first_not_of("0123456789", from), name.size());
  };
  const std::size_t pid = mark + kTemporaryMark.size(), dash = end_of_digits(pid);
  if (dash == pid || dash == name.size() || name[dash] != '-') return {};
  const std::size_t end = end_of_digits(dash + 1);
  if (end == dash + 1 || (end < name.size() && name[end] != '.')) return {};
  return name.substr(0, end);
}

bool is_named(int fd, const std::filesystem::path& path) {
  struct stat held{}, named{};
  return ::fstat(fd, &held) == 0 && ::lstat(path.c_str(), &named) == 0 &&
         held.st_ino == named.st_ino;
}

// Locks a file that was just created. False where someone took it for left over in between.
bool lock_new(int fd, const std::filesystem::path& path) {
  // A disk without locks has none who asks for them.
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return false;
  return is_named(fd, path);
}

// The name that a folder had before it was set aside, where nothing has taken it; else empty.
std::filesystem::path free_name_of(const std::filesystem::path& path, std::string_view stem) {
  if (path.filename().string() != std::string(stem) + std::string(kAsideSuffix)) return {};
  const std::filesystem::path name =
      path.parent_path() / stem.substr(1, stem.rfind(kTemporaryMark) - 1);
  std::error_code failed;
  return std::filesystem::exists(std::filesystem::symlink_status(name, failed)) ? "" : name;
}

bool give_back_or_remove(const std::filesystem::path& path, std::string_view stem) {
  const std::filesystem::path name = free_name_of(path, stem);
  if (!name.empty()) return ::rename(path.c_str(), name.c_str()) == 0;
  std::error_code failed;
  return std::filesystem::remove_all(path, failed) > 0 && !failed;
}

// Removes a temporary unless its writer lives, or nothing can tell.
bool remove_if_left(const std::filesystem::path& path, std::string_view stem) {
  std::error_code failed;
  const bool folder = std::filesystem::is_directory(std::filesystem::symlink_status(path, failed));
  const std::filesystem::path lock =
      folder ? path.parent_path() / (std::string(stem) + std::string(kLockSuffix)) : path;
  // A folder's lock that is gone is made again, so that no writer takes the name meanwhile.
  const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (folder ? O_CREAT : 0);
  const int fd = ::open(lock.c_str(), flags, 0666);
  if (fd < 0) return false;
  const bool left = ::flock(fd, LOCK_EX | LOCK_NB) == 0 && is_named(fd, lock);
  const bool gone = left && give_back_or_remove(path, stem);
  if (left && folder) ::unlink(lock.c_str());
  ::close(fd);
  return gone;
}

std::size_t remove_left(const std::filesystem::path& directory, const std::string& prefix) {
  std::error_code error;
  std::size_t removed = 0;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    const std::string_view stem = stem_of(name);
    if (!name.starts_with(prefix) || stem.empty()) continue;
    if (remove_if_left(it->path(), stem)) ++removed;
  }
  return removed;
}

}  // namespace

namespace detail {

int create_locked(const std::filesystem::path& path, std::string_view suffix,
                  std::filesystem::path& temporary) {
  // Processes of several containers may have one number, and so find names taken.
  constexpr int kAttempts = 1000;
  for (int i = 0; i < kAttempts; ++i) {
    temporary = new_sibling(path, suffix);
    const int fd = ::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno != EEXIST) return -1;
    if (fd < 0) continue;
    if (lock_new(fd, temporary)) return fd;
    ::close(fd);
  }
  errno = EEXIST;
  return -1;
}

FolderLock::FolderLock(const std::filesystem::path& path) {
  Temporaries temporaries;
  fd_ = create_locked(path, kLockSuffix, file_);
  if (held()) temporaries.add(file_);
}

FolderLock::~FolderLock() {
  if (!held()) return;
  Temporaries temporaries;
  ::unlink(file_.c_str());
  temporaries.forget(file_);
  ::close(fd_);
}

std::filesystem::path FolderLock::folder() const {
  const std::string text = file_.string();
  return text.substr(0, text.size() - kLockSuffix.size());
}

std::filesystem::path FolderLock::aside() const { return folder() += kAsideSuffix; }

std::size_t remove_stale_siblings(const std::filesystem::path& path) {
  const std::filesystem::path parent = path.has_parent_path() ? path.parent_path() : ".";
  return remove_left(parent, "." + path.filename().string() + std::string(kTemporaryMark));
}

std::size_t remove_all_stale(const std::filesystem::path& directory) {
  return remove_left(directory, "");
}

}  // namespace detail
}  // namespace svtune
