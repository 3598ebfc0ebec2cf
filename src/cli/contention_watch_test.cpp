#include "cli/contention_watch.h"

#include <gtest/gtest.h>

namespace svtune {
namespace contention_watch_test {

TEST(Contention, IsPresentWhileCoresAreTakenAwayOften) {
  Contention contention;
  EXPECT_FALSE(contention.update(0, 0.1));
  EXPECT_FALSE(contention.update(6, 0.1));  // 60 a second: the system's own work
  EXPECT_TRUE(contention.update(86, 0.1));  // 800 a second
}

TEST(Contention, EndsAfterASecondOfCalm) {
  Contention contention;
  std::int64_t switches = 80;
  EXPECT_TRUE(contention.update(switches, 0.1));
  EXPECT_TRUE(contention.update(switches, 0.9));
  EXPECT_TRUE(contention.update(switches += 200, 1.0));  // neither busy nor calm
  EXPECT_TRUE(contention.update(switches, 0.9));
  EXPECT_FALSE(contention.update(switches, 0.2));
  EXPECT_TRUE(contention.update(switches += 80, 0.1));
}

TEST(ContentionWatch, EndsWithItsOwner) {
  const ContentionWatch watch;  // joins its threads, or the test never ends
  SUCCEED();
}

}  // namespace contention_watch_test
}  // namespace svtune
