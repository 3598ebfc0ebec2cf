#include "linalg/parallel.h"

#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <limits>
#include <mutex>
#include <optional>

namespace svtune {
namespace {

// Threads that SerialMath took away from this thread; 0 when none is alive.
thread_local int threads_in_reserve = 0;

// Gives the reserved threads back for the duration of one parallel loop.
class ThreadsBack {
 public:
  ThreadsBack() : serial_(threads_in_reserve > 1 && !at::in_parallel_region()) {
    if (serial_) at::set_num_threads(threads_in_reserve);
  }
  ~ThreadsBack() {
    if (serial_) at::set_num_threads(1);
  }

 private:
  bool serial_;
};

// Indices in order to whichever thread asks. When one fails the lower ones are all under way,
// so the lowest failure of all is always seen.
class Queue {
 public:
  explicit Queue(std::int64_t count) : count_(count) {}

  void run(const std::function<void(std::int64_t)>& work,
           const std::function<void(std::int64_t, std::int64_t)>& progress) {
    for (std::int64_t i = next_++; i < count_; i = next_++) {
      try {
        work(i);
        const std::lock_guard lock(mutex_);
        if (progress) progress(++done_, count_);
      } catch (...) {
        next_ = count_;  // the other threads finish their matrix and stop
        const std::lock_guard lock(mutex_);
        if (i < failed_) {
          failed_ = i;
          error_ = std::current_exception();
        }
      }
    }
  }

  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  const std::int64_t count_;
  std::atomic<std::int64_t> next_{0};
  std::mutex mutex_;
  std::int64_t done_ = 0, failed_ = std::numeric_limits<std::int64_t>::max();
  std::exception_ptr error_;
};

}  // namespace

OneThread::OneThread() : saved_threads_(at::get_num_threads()) {
  if (saved_threads_ > 1) at::set_num_threads(1);
}

OneThread::~OneThread() {
  if (saved_threads_ > 1) at::set_num_threads(saved_threads_);
}

SerialMath::SerialMath() {
  if (threads_in_reserve > 0 || at::get_num_threads() == 1) return;
  saved_threads_ = at::get_num_threads();
  threads_in_reserve = saved_threads_;
  at::set_num_threads(1);
}

SerialMath::~SerialMath() {
  if (saved_threads_ == 0) return;
  threads_in_reserve = 0;
  at::set_num_threads(saved_threads_);
}

void for_each_tile(std::int64_t count, const std::function<void(std::int64_t)>& work) {
  if (count == 1) {
    SerialMath serial;
    work(0);
    return;
  }
  ThreadsBack threads;
  at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
    const c10::NoGradGuard no_grad;
    const OneThread one_thread;
    for (std::int64_t i = begin; i < end; ++i) work(i);
  });
}

void for_each_matrix(std::int64_t count, const std::function<void(std::int64_t)>& work,
                     const std::function<void(std::int64_t, std::int64_t)>& progress) {
  const c10::NoGradGuard no_grad;
  ThreadsBack threads;
  const std::int64_t workers = std::min<std::int64_t>(count, at::get_num_threads());
  if (workers <= 1 || at::in_parallel_region()) {
    // One matrix at a time: outside a region its own tiles may use the threads.
    std::optional<OneThread> one_thread;
    if (at::in_parallel_region()) one_thread.emplace();
    for (std::int64_t i = 0; i < count; ++i) {
      work(i);
      if (progress) progress(i + 1, count);
    }
    return;
  }
  Queue queue(count);
  at::parallel_for(0, workers, 1, [&](std::int64_t begin, std::int64_t end) {
    const c10::NoGradGuard no_grad;
    const OneThread one_thread;
    for (std::int64_t worker = begin; worker < end; ++worker) queue.run(work, progress);
  });
  queue.rethrow();
}

}  // namespace svtune
