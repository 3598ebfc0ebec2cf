#include "cli/contention_watch.h"

#include <omp.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <optional>

namespace svtune {
namespace {

constexpr std::chrono::milliseconds kPeriod{100};
// A program beside us takes cores 500 to 4000 times a second; the system's own work, 20 to 60.
constexpr double kBusy = 250, kCalm = 120;  // a second
constexpr double kCalmSeconds = 1;

std::int64_t involuntary_switches() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nivcsw;
}

// Threads that sleep, as many as make OpenMP's more than the cores, beside a team of two or more.
class SleepingTeam {
 public:
  SleepingTeam() : thread_([this] { sleep(); }) {}
  ~SleepingTeam() {
    {
      const std::lock_guard lock(mutex_);
      awake_ = true;
    }
    wakes_.notify_all();
    thread_.join();  // a team goes with the thread that made it
  }

 private:
  void sleep() {
    const int threads = std::max(2, omp_get_num_procs());
#pragma omp parallel num_threads(threads)
    {
      std::unique_lock lock(mutex_);
      wakes_.wait(lock, [this] { return awake_; });
    }
  }

  std::mutex mutex_;
  std::condition_variable wakes_;
  bool awake_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace

bool Contention::update(std::int64_t switches, double seconds) {
  const double rate = static_cast<double>(switches - seen_) / std::max(seconds, 1e-9);
  seen_ = switches;
  if (rate >= kBusy) {
    present_ = true;
  }
  calm_ = rate < kCalm ? calm_ + seconds : 0;
  if (calm_ >= kCalmSeconds) present_ = false;
  return present_;
}

ContentionWatch::ContentionWatch() : thread_([this] { watch(); }) {}

ContentionWatch::~ContentionWatch() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  ends_.notify_all();
  thread_.join();
}

void ContentionWatch::watch() {
  Contention contention;
  std::optional<SleepingTeam> team;
  auto last = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  while (!ends_.wait_for(lock, kPeriod, [this] { return ending_; })) {
    const auto now = std::chrono::steady_clock::now();
    const std::chrono::duration<double> passed = now - last;
    last = now;
    const bool wanted = contention.update(involuntary_switches(), passed.count());
    if (wanted && !team) team.emplace();
    if (!wanted) team.reset();
  }
}

}  // namespace svtune
