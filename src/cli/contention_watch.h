// Shortens the spinning of waiting threads (bounded_waiting.h) while other programs want the cores.
//
// No bound is right for both an idle machine and a shared one, and OpenMP reads its bound once. But
// GNU's spins for a hundred rounds only, about a microsecond, while it has more threads than the
// process has cores. So while the system is seen to take cores away from the process, a second team
// of threads exists beside that of the work; it sleeps, and ends when the cores are free again.
// With another OpenMP nothing is gained and nothing lost.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

namespace svtune {

// Decides from the number of times that a core was taken from a thread which would have gone on.
class Contention {
 public:
  // `switches`: of the process so far; `seconds`: since the last call.
  bool update(std::int64_t switches, double seconds);

 private:
  std::int64_t seen_ = 0;
  double calm_ = 0;  // seconds
  bool present_ = false;
};

// Watches from a thread of its own, until it is destroyed.
class ContentionWatch {
 public:
  ContentionWatch();
  ~ContentionWatch();
  ContentionWatch(const ContentionWatch&) = delete;
  ContentionWatch& operator=(const ContentionWatch&) = delete;

 private:
  void watch();

  std::mutex mutex_;
  std::condition_variable ends_;
  bool ending_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace svtune
