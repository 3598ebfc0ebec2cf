#include "data/numbered_jobs.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace svtune {
namespace {

constexpr int kMostThreads = 8;

class Run {
 public:
  explicit Run(const NumberedJobs& jobs)
      : jobs_(jobs), errors_(jobs.count), first_error_(jobs.count) {}
  ~Run() {
    stopped_ = true;
    for (std::thread& thread : threads_) thread.join();
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  std::vector<std::exception_ptr> results() {
    const auto wanted = std::min(static_cast<std::size_t>(jobs_.threads), jobs_.count);
    running_ = wanted;
    for (std::size_t i = 0; i < wanted; ++i) threads_.emplace_back([this] { work(); });
    std::unique_lock lock(mutex_);
    while (running_ > 0) {
      ended_.wait_for(lock, std::chrono::milliseconds(200));
      if (!jobs_.progress) continue;
      lock.unlock();
      jobs_.progress(done_);
      lock.lock();
    }
    if (jobs_.progress) jobs_.progress(done_);
    return std::move(errors_);
  }

 private:
  void work() {
    while (!stopped_) {
      const std::size_t index = next_++;
      // Jobs are taken in order, so that all before the first error have run.
      if (index >= jobs_.count || (jobs_.stop_at_error && index > first_error_)) break;
      try {
        jobs_.run(index);
      } catch (...) {
        errors_[index] = std::current_exception();
        std::size_t first = first_error_;
        while (index < first && !first_error_.compare_exchange_weak(first, index)) {
        }
      }
      ++done_;
    }
    const std::scoped_lock lock(mutex_);
    --running_;
    ended_.notify_all();
  }

  const NumberedJobs& jobs_;
  std::vector<std::exception_ptr> errors_;
  std::atomic<std::size_t> next_{0}, done_{0}, first_error_;
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::condition_variable ended_;
  std::size_t running_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace

int thread_count(int asked) {
  if (asked > 0) return asked;
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, kMostThreads);
}

std::vector<std::exception_ptr> run_jobs(const NumberedJobs& jobs) { return Run(jobs).results(); }

}  // namespace svtune
