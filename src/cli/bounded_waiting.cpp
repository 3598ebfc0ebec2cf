#include "cli/bounded_waiting.h"

#include <sys/auxv.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

namespace svtune {
namespace {

constexpr std::string_view kRounds = "GOMP_SPINCOUNT=";
constexpr std::string_view kPolicy = "OMP_WAIT_POLICY=";
// Tells the bound that the program has set from one that the user has.
constexpr const char* kOwn = "SVTUNE_BOUNDED_WAITING";
constexpr const char* kOwnEntry = "SVTUNE_BOUNDED_WAITING=1";

// Bridges the gaps between the parallel loops of a step, and costs a waiting thread less than the
// system's switch to another program.
constexpr std::chrono::microseconds kWaiting{100};

// What OpenMP's loop does between two looks at the memory.
inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  asm volatile("" ::: "memory");
#endif
}

std::chrono::nanoseconds time_of(std::int64_t rounds) {
  static volatile std::int64_t watched = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (std::int64_t i = 0; i < rounds && watched == 0; ++i) relax();
  return std::chrono::steady_clock::now() - begin;
}

// The program's own file, whatever name it was called by; empty when that cannot be known. A
// program that the loader was told to run is the loader's file to the system.
std::string own_path() {
  if (getauxval(AT_BASE) == 0) return {};
  std::array<char, 4096> path;
  const ssize_t size = readlink("/proc/self/exe", path.data(), path.size());
  const bool whole = size > 0 && static_cast<std::size_t>(size) < path.size();
  return whole ? std::string(path.data(), static_cast<std::size_t>(size)) : std::string();
}

}  // namespace

std::int64_t waiting_rounds(std::chrono::nanoseconds time) {
  constexpr std::int64_t kSample = 200;
  auto fastest = time_of(kSample);
  // The shortest of a few: another program may have had the core meanwhile.
  for (int i = 0; i < 4; ++i) fastest = std::min(fastest, time_of(kSample));
  const auto sample = std::max<std::int64_t>(1, fastest.count());
  return std::max<std::int64_t>(1, time.count() * kSample / sample);
}

std::optional<std::vector<std::string>> with_bounded_waiting(const char* const* environment,
                                                             std::int64_t rounds) {
  std::vector<std::string> list;
  for (; *environment != nullptr; ++environment) {
    const std::string_view entry = *environment;
    if (entry.starts_with(kRounds) || entry.starts_with(kPolicy)) return std::nullopt;
    list.emplace_back(entry);
  }
  list.push_back(std::string(kRounds) + std::to_string(rounds));
  list.push_back(kOwnEntry);
  return list;
}

bool waiting_is_bounded() { return std::getenv(kOwn) != nullptr; }

void restart_with_bounded_waiting(int, char** argv, char** environment) {
  if (getauxval(AT_SECURE) != 0) return;
  auto entries = with_bounded_waiting(environment, waiting_rounds(kWaiting));
  const std::string path = own_path();
  if (!entries || path.empty()) return;
  std::vector<char*> pointers;
  for (std::string& entry : *entries) pointers.push_back(entry.data());
  pointers.push_back(nullptr);
  execve(path.c_str(), argv, pointers.data());
}

}  // namespace svtune
