// How many threads a process computes with, and why.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace svtune {

struct ThreadChoice {
  std::int64_t count = 1;
  std::string reason;                      // "one per core", "OMP_NUM_THREADS", "--threads", ...
  std::vector<std::string> warnings = {};  // of variables that cannot be followed
};

// What speaks for a number when none is asked for.
struct ThreadLimits {
  std::string omp_num_threads;          // the variable's text; empty: unset
  std::int64_t cores = 1;               // of the machine
  std::int64_t affinity = 1;            // that this process may run on
  std::optional<double> quota_cores{};  // that its control groups pay for
  std::string omp_thread_limit = {};    // the variable's text; empty: unset
};

// `asked` > 0 is taken as it is. Else OMP_NUM_THREADS, when it is a number (or a list, whose first
// counts) from 1 to 4096; else one thread per core that affinity and quota leave, at least one. A
// part of a core counts for none: threads that wait for each other would all wait for the throttled
// one. OpenMP starts no more than OMP_THREAD_LIMIT, whatever is asked.
ThreadChoice choose_threads(std::int64_t asked, const ThreadLimits& limits);

// The machine's, the process's and its environment's.
ThreadLimits thread_limits();

// The smallest quota of the control groups, version 1 or 2, that `membership` (the file
// /proc/self/cgroup) names below `mount` (/sys/fs/cgroup), and of those around them.
std::optional<double> cgroup_quota(const std::filesystem::path& membership,
                                   const std::filesystem::path& mount);

}  // namespace svtune
