#include "linalg/parallel.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

namespace svtune {
namespace {

class Threads {
 public:
  explicit Threads(int count) : saved_(at::get_num_threads()) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(saved_); }

 private:
  int saved_;
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
    for (const auto loop : {for_each_tile, for_each_matrix}) {
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
  for (const auto loop : {for_each_tile, for_each_matrix}) {
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

}  // namespace
}  // namespace svtune
