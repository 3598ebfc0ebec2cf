#include "linalg/parallel.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace svtune {
namespace parallel_test {

class Threads {
 public:
  explicit Threads(int count) : saved_(at::get_num_threads()) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(saved_); }

 private:
  int saved_;
};

using Work = std::function<void(std::int64_t)>;

const std::function<void(std::int64_t, const Work&)> kLoops[] = {
    for_each_tile,
    [](std::int64_t count, const Work& work) { for_each_matrix(count, work); },
};

TEST(SerialMath, TakesTheThreadsAndGivesThemBack) {
  const Threads threads(2);
  {
    const SerialMath outer;
    EXPECT_EQ(at::get_num_threads(), 1);
    const SerialMath inner;
    for_each_tile(4, [](std::int64_t) {});
    EXPECT_EQ(at::get_num_threads(), 1);
  }
  EXPECT_EQ(at::get_num_threads(), 2);
}

TEST(ForEach, VisitsEachIndexOnce) {
  for (const int count : {1, 2, 3}) {
    const Threads threads(count);
    for (const auto& loop : kLoops) {
      for (const std::int64_t size : {0, 1, 2, 17}) {
        std::vector<std::atomic<int>> visits(size);
        loop(size, [&](std::int64_t i) { ++visits[i]; });
        for (const auto& visit : visits) EXPECT_EQ(visit, 1);
      }
    }
  }
}

TEST(ForEach, NestedLoopsRunOnTheCallersThread) {
  const Threads threads(2);
  std::atomic<int> total{0};
  for_each_matrix(3, [&](std::int64_t) {
    const SerialMath serial;
    for_each_tile(5, [&](std::int64_t) { ++total; });
  });
  EXPECT_EQ(total, 15);
}

TEST(ForEach, RethrowsAndRestores) {
  const Threads threads(2);
  for (const auto& loop : kLoops) {
    const SerialMath serial;
    EXPECT_THROW(loop(8,
                      [](std::int64_t i) {
                        if (i == 3) throw std::runtime_error("three");
                      }),
                 std::runtime_error);
    EXPECT_EQ(at::get_num_threads(), 1);
  }
  EXPECT_EQ(at::get_num_threads(), 2);
}

TEST(ForEachMatrix, RethrowsTheLowestFailureForAnyNumberOfThreads) {
  for (const int count : {1, 2, 3}) {
    const Threads threads(count);
    std::string message;
    try {
      for_each_matrix(12, [](std::int64_t i) {
        if (i == 4) std::this_thread::sleep_for(std::chrono::milliseconds(20));
        if (i >= 4) throw std::runtime_error(std::to_string(i));
      });
    } catch (const std::runtime_error& error) {
      message = error.what();
    }
    EXPECT_EQ(message, "4") << count << " threads";
  }
}

TEST(ForEachMatrix, ReportsEachFinishedMatrixInOrder) {
  for (const int count : {1, 2}) {
    const Threads threads(count);
    std::vector<std::int64_t> seen;
    for_each_matrix(
        5, [](std::int64_t) {},
        [&](std::int64_t done, std::int64_t total) {
          EXPECT_EQ(total, 5);
          seen.push_back(done);
        });
    EXPECT_EQ(seen, (std::vector<std::int64_t>{1, 2, 3, 4, 5})) << count << " threads";
  }
}

}  // namespace parallel_test
}  // namespace svtune
