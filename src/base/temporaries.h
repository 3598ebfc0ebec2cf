// What this process has begun to write under temporary names (base/files.h), so that it can be
// removed when a signal ends the process.
#pragma once

#include <filesystem>
#include <mutex>

namespace svtune {

// Removes every file and directory that an AtomicFile or AtomicDirectory has begun and not
// committed. Whoever begins, commits or gives up one afterwards waits for ever: only for a process
// that is about to end. Not for signal handlers.
void abandon_temporaries() noexcept;

namespace detail {

// The temporaries that exist. Whoever makes, renames or removes one does it while holding this.
class Temporaries {
 public:
  Temporaries();
  void add(const std::filesystem::path& path);
  void forget(const std::filesystem::path& path);

 private:
  std::unique_lock<std::mutex> lock_;
};

}  // namespace detail
}  // namespace svtune
