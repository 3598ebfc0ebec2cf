#include "cli/contention_watch.h"

#include <gtest/gtest.h>

namespace svtune {
namespace {

TEST(Contention, IsPresentWhileCoresAreTakenAwayOften) {
  Contention contention;
  EXPECT_FALSE(contention.update(0, 0.05));
  EXPECT_FALSE(contention.update(1, 0.05));  // 20 a second: the system's own work
  EXPECT_TRUE(contention.update(11, 0.05));  // 200 a second
}

TEST(Contention, EndsAfterASecondOfCalm) {
  Contention contention;
  std::int64_t switches = 20;
  EXPECT_TRUE(contention.update(switches, 0.05));
  EXPECT_TRUE(contention.update(switches, 0.9));
  EXPECT_TRUE(contention.update(switches += 40, 1.0));  // neither busy nor calm
  EXPECT_TRUE(contention.update(switches, 0.9));
  EXPECT_FALSE(contention.update(switches, 0.2));
  EXPECT_TRUE(contention.update(switches += 20, 0.05));
}

TEST(ContentionWatch, EndsWithItsOwner) {
  const ContentionWatch watch;  // joins its threads, or the test never ends
  SUCCEED();
}

}  // namespace
}  // namespace svtune
