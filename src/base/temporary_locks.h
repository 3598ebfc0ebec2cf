// Names of what is being written (base/files.h), and locks on files by which others know that its
// writer lives. A process number would not tell them: it is given out again after a while, and it
// says nothing of a process in another container or on another machine that shares the disk.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

namespace svtune::detail {

// Creates a file beside `path` under a name that no one else uses,
// `.<name>.svtune-tmp-<pid>-<counter>` and `suffix`, locked for as long as the descriptor is open,
// which is returned: -1 with errno where it fails. `temporary` becomes the file's path.
int create_locked(const std::filesystem::path& path, std::string_view suffix,
                  std::filesystem::path& temporary);

// The same for a folder, which not every disk can lock: a file beside it, `<folder>.lock`, is there
// for as long as the object.
class FolderLock {
 public:
  // Without a lock, and errno set, where it fails.
  explicit FolderLock(const std::filesystem::path& path);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  bool held() const { return fd_ >= 0; }
  // Beside `path`; nobody else makes it.
  std::filesystem::path folder() const;
  // Under the same lock: for what has the name of `path` until the folder gets it.
  std::filesystem::path aside() const;

 private:
  std::filesystem::path file_;
  int fd_ = -1;
};

// Removes what writers that are gone have left of `path` beside it, or, of what they had set aside
// while nothing else has the name, gives it back. Returns how many.
std::size_t remove_stale_siblings(const std::filesystem::path& path);
// The same of whatever they wrote in `directory`.
std::size_t remove_all_stale(const std::filesystem::path& directory);

}  // namespace svtune::detail
