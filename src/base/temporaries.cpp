#include "base/temporaries.h"

#include <chrono>
#include <set>
#include <system_error>
#include <thread>

namespace svtune {
namespace {

struct Registry {
  std::mutex mutex;
  std::set<std::filesystem::path> paths;
};

// Never destroyed: a signal may come while the process ends by itself.
Registry& registry() {
  static auto* const the_registry = new Registry;
  return *the_registry;
}

// Another thread may be about to put a file into the directory.
void remove_all_of(const std::filesystem::path& path) noexcept {
  constexpr int kAttempts = 200;
  std::error_code error;
  for (int i = 0; i < kAttempts; ++i) {
    std::filesystem::remove_all(path, error);
    if (!std::filesystem::exists(std::filesystem::symlink_status(path, error))) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace

void abandon_temporaries() noexcept {
  try {
    registry().mutex.lock();  // for good
  } catch (const std::system_error&) {
    return;
  }
  for (const std::filesystem::path& path : registry().paths) remove_all_of(path);
}

namespace detail {

Temporaries::Temporaries() : lock_(registry().mutex) {}

void Temporaries::add(const std::filesystem::path& path) { registry().paths.insert(path); }

void Temporaries::forget(const std::filesystem::path& path) { registry().paths.erase(path); }

}  // namespace detail
}  // namespace svtune
