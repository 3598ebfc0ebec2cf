// Jobs 0, 1, ... on several threads, with one result whatever their timing.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <vector>

namespace svtune {

// At least one; `asked` where it is above 0, else one per core up to 8.
int thread_count(int asked);

struct NumberedJobs {
  std::size_t count = 0;
  int threads = 1;
  bool stop_at_error = false;  // no job behind the first that throws needs to run
  std::function<void(std::size_t index)> run;
  std::function<void(std::size_t done)> progress =
      {};  // by the calling thread, a few times a second
};

// What each job threw, null for nothing; with stop_at_error the first one set is the first job that
// would throw. Returns when no job runs any more, also when `progress` throws.
std::vector<std::exception_ptr> run_jobs(const NumberedJobs& jobs);

}  // namespace svtune
