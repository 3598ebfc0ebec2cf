#include "cli/bounded_waiting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace svtune {
namespace bounded_waiting_test {

using ::testing::ElementsAre;

TEST(BoundedWaiting, AddsTheRoundsToTheEnvironment) {
  const char* const environment[] = {"PATH=/bin", "EMPTY=", "OMP_NUM_THREADS=2", nullptr};
  const auto changed = with_bounded_waiting(environment, 1234);
  ASSERT_TRUE(changed);
  EXPECT_THAT(*changed, ElementsAre("PATH=/bin", "EMPTY=", "OMP_NUM_THREADS=2",
                                    "GOMP_SPINCOUNT=1234", "SVTUNE_BOUNDED_WAITING=1"));
}

TEST(BoundedWaiting, LeavesWhatTheUserHasSet) {
  for (const char* setting : {"GOMP_SPINCOUNT=7", "GOMP_SPINCOUNT=infinity", "GOMP_SPINCOUNT=",
                              "OMP_WAIT_POLICY=passive", "OMP_WAIT_POLICY=active"}) {
    const char* const environment[] = {"PATH=/bin", setting, nullptr};
    EXPECT_FALSE(with_bounded_waiting(environment, 1234)) << setting;
  }
}

TEST(BoundedWaiting, KnowsOtherNamesFromTheTwo) {
  const char* const environment[] = {"MY_GOMP_SPINCOUNT=7", "OMP_WAIT_POLICY_OLD=1", nullptr};
  EXPECT_TRUE(with_bounded_waiting(environment, 1));
}

TEST(BoundedWaiting, ChangedEnvironmentIsTakenAsTheUsers) {
  const char* const environment[] = {nullptr};
  const auto once = with_bounded_waiting(environment, 5);
  ASSERT_TRUE(once);
  const char* const again[] = {once->front().c_str(), nullptr};
  EXPECT_FALSE(with_bounded_waiting(again, 5));
}

TEST(BoundedWaiting, RoundsGrowWithTheTime) {
  // A round takes 1 to 100 ns on every processor known; the clock of a loaded machine is rough.
  const std::int64_t rounds = waiting_rounds(std::chrono::microseconds(100));
  EXPECT_GE(rounds, 100);
  EXPECT_LE(rounds, 1'000'000);
  EXPECT_GE(waiting_rounds(std::chrono::nanoseconds(0)), 1);
}

}  // namespace bounded_waiting_test
}  // namespace svtune
