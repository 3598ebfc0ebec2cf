#include "api/thread_count.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>

#include "base/text_util.h"

namespace svtune {
namespace {

constexpr std::int64_t kMostThreads = 4096;  // as of --threads

// The first number of a variable of OpenMP; 0 when there is none that OpenMP would take.
std::int64_t omp_number(std::string_view text) {
  const std::string_view first = trim(text.substr(0, text.find(',')));
  std::int64_t number = 0;
  const auto end = first.data() + first.size();
  const auto result = std::from_chars(first.data(), end, number);
  if (result.ptr != end) return 0;
  if (result.ec == std::errc::result_out_of_range && first.front() != '-') {
    return std::numeric_limits<std::int64_t>::max();
  }
  return result.ec == std::errc() && number > 0 ? number : 0;
}

// Of OMP_NUM_THREADS what can be followed; else 0.
std::int64_t omp_threads(const ThreadLimits& limits) {
  const std::int64_t number = omp_number(limits.omp_num_threads);
  return number <= kMostThreads ? number : 0;
}

std::string not_followed(const std::string& variable, const std::string& text,
                         const std::string& allowed) {
  return variable + "=" + text + " is not followed, allowed is " + allowed;
}

std::string cores_text(double cores) {
  std::string text = std::to_string(std::llround(cores * 10) / 10);
  const std::int64_t tenths = std::llround(cores * 10) % 10;
  return text + (tenths == 0 ? "" : "." + std::to_string(tenths));
}

// Quota of one group in cores; nothing when it has none.
std::optional<double> quota_of(const std::filesystem::path& group) {
  double quota = 0, period = 0;
  if (std::ifstream file(group / "cpu.max"); file >> quota >> period) {  // "max": no number
    if (quota > 0 && period > 0) return quota / period;
  }
  std::ifstream quota_file(group / "cpu.cfs_quota_us"), period_file(group / "cpu.cfs_period_us");
  if (quota_file >> quota && period_file >> period && quota > 0 && period > 0) {
    return quota / period;
  }
  return std::nullopt;
}

// Folder of a hierarchy below the mount: "" for version 2, the controllers' names for version 1.
std::filesystem::path hierarchy_of(const std::string& controllers,
                                   const std::filesystem::path& mount) {
  if (controllers.empty()) return mount;
  const std::filesystem::path joined = mount / controllers;
  return std::filesystem::exists(joined) ? joined : mount / "cpu";
}

ThreadChoice wanted_threads(std::int64_t asked, const ThreadLimits& limits) {
  if (asked > 0) return {asked, "--threads"};
  if (const std::int64_t wanted = omp_threads(limits); wanted > 0) {
    return {wanted, "OMP_NUM_THREADS"};
  }
  ThreadChoice choice{std::max<std::int64_t>(1, limits.cores), "one per core"};
  const std::string of_cores = " of " + std::to_string(limits.cores) + " cores";
  if (limits.affinity < choice.count) {
    choice = {std::max<std::int64_t>(1, limits.affinity),
              "the process may use " + std::to_string(limits.affinity) + of_cores};
  }
  if (!limits.quota_cores) return choice;
  const auto paid =
      std::max<std::int64_t>(1, static_cast<std::int64_t>(std::floor(*limits.quota_cores + 1e-6)));
  if (paid < choice.count) {
    choice = {paid, "the control group's quota is " + cores_text(*limits.quota_cores) + of_cores};
  }
  return choice;
}

}  // namespace

ThreadChoice choose_threads(std::int64_t asked, const ThreadLimits& limits) {
  ThreadChoice choice = wanted_threads(asked, limits);
  const std::int64_t most = omp_number(limits.omp_thread_limit);
  if (most > 0 && most < choice.count) choice = {most, "OMP_THREAD_LIMIT"};
  if (asked == 0 && !limits.omp_num_threads.empty() && omp_threads(limits) == 0) {
    choice.warnings.push_back(not_followed(
        "OMP_NUM_THREADS", limits.omp_num_threads,
        "1 to " + std::to_string(kMostThreads) + ", alone or first in a list with commas"));
  }
  if (!limits.omp_thread_limit.empty() && most == 0) {
    choice.warnings.push_back(
        not_followed("OMP_THREAD_LIMIT", limits.omp_thread_limit, "a number from 1"));
  }
  return choice;
}

std::optional<double> cgroup_quota(const std::filesystem::path& membership,
                                   const std::filesystem::path& mount) {
  std::ifstream file(membership);
  std::optional<double> smallest;
  // hierarchy:controllers:path; version 2 has 0 and no controllers.
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string_view> parts = split(line, ':');
    if (parts.size() < 3) continue;
    const std::string controllers(parts[1]);
    const std::vector<std::string_view> names = split(parts[1], ',');
    if (!controllers.empty() && std::ranges::count(names, "cpu") == 0) continue;
    const std::filesystem::path hierarchy = hierarchy_of(controllers, mount);
    std::filesystem::path path = std::filesystem::path(parts[2]).relative_path();
    for (;; path = path.parent_path()) {
      if (const auto quota = quota_of(path.empty() ? hierarchy : hierarchy / path)) {
        smallest = std::min(smallest.value_or(*quota), *quota);
      }
      if (path.empty()) break;
    }
  }
  return smallest;
}

ThreadLimits thread_limits() {
  ThreadLimits limits;
  if (const char* text = std::getenv("OMP_NUM_THREADS")) limits.omp_num_threads = text;
  if (const char* text = std::getenv("OMP_THREAD_LIMIT")) limits.omp_thread_limit = text;
  limits.cores = std::max(1L, sysconf(_SC_NPROCESSORS_ONLN));
  limits.affinity = limits.cores;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) limits.affinity = std::max(1, CPU_COUNT(&set));
  limits.quota_cores = cgroup_quota("/proc/self/cgroup", "/sys/fs/cgroup");
  return limits;
}

}  // namespace svtune
