// The number of threads follows what is asked, the environment, affinity and quota, in that order.
#include "api/thread_count.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace svtune {
namespace thread_count_test {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ThreadChoice choose(std::int64_t asked, const std::string& omp, std::int64_t cores,
                    std::int64_t affinity, std::optional<double> quota = {}) {
  return choose_threads(asked, {omp, cores, affinity, quota});
}

TEST(ThreadCount, AskedNumberIsTaken) {
  const ThreadChoice choice = choose(5, "3", 8, 2, 1.0);
  EXPECT_EQ(choice.count, 5);
  EXPECT_EQ(choice.reason, "--threads");
}

TEST(ThreadCount, VariableOfOpenMpIsHonoured) {
  for (const char* text : {"3", " 3 ", "3,2", "3, 1"}) {
    const ThreadChoice choice = choose(0, text, 8, 8, 2.0);
    EXPECT_EQ(choice.count, 3) << text;
    EXPECT_EQ(choice.reason, "OMP_NUM_THREADS");
  }
  for (const char* text : {"", "0", "-2", "many", "3x", "99999999999999999999"}) {
    EXPECT_EQ(choose(0, text, 8, 8).count, 8) << text;
  }
}

TEST(ThreadCount, VariablesThatCannotBeFollowedAreTold) {
  for (const char* text : {"0", "-2", "many", "3x", ",2", " ", "4097", "99999999999999999999"}) {
    const ThreadChoice choice = choose(0, text, 8, 8);
    EXPECT_EQ(choice.count, 8) << text;
    EXPECT_THAT(choice.warnings, ElementsAre(HasSubstr(std::string("OMP_NUM_THREADS=") + text +
                                                       " is not followed")));
    EXPECT_THAT(choose(5, text, 8, 8).warnings, IsEmpty()) << "nobody asked for it";
  }
  for (const char* text : {"", "3", "4,2", "4096"}) {
    EXPECT_THAT(choose(0, text, 8, 8).warnings, IsEmpty()) << text;
  }
  ThreadLimits limits{"6", 8, 8, {}, "few"};
  EXPECT_THAT(choose_threads(1, limits).warnings, ElementsAre(HasSubstr("OMP_THREAD_LIMIT=few")));
  for (const char* text : {"", "2", "5000", "99999999999999999999"}) {
    limits.omp_thread_limit = text;
    EXPECT_THAT(choose_threads(1, limits).warnings, IsEmpty()) << text;
  }
}

TEST(ThreadCount, OpenMpsLimitHoldsForAll) {
  ThreadLimits limits{"6", 8, 8, {}, "2"};
  EXPECT_EQ(choose_threads(0, limits).count, 2);
  EXPECT_EQ(choose_threads(4, limits).reason, "OMP_THREAD_LIMIT");
  EXPECT_EQ(choose_threads(1, limits).reason, "--threads");
  for (const char* text : {"", "0", "many", "6"}) {
    limits.omp_thread_limit = text;
    EXPECT_EQ(choose_threads(0, limits).reason, "OMP_NUM_THREADS") << text;
  }
}

TEST(ThreadCount, SmallestOfCoresAffinityAndQuotaCounts) {
  EXPECT_EQ(choose(0, "", 8, 8).count, 8);
  EXPECT_EQ(choose(0, "", 8, 8).reason, "one per core");
  EXPECT_EQ(choose(0, "", 8, 4).count, 4);
  EXPECT_EQ(choose(0, "", 8, 4).reason, "the process may use 4 of 8 cores");
  EXPECT_EQ(choose(0, "", 8, 4, 2.5).count, 2);
  EXPECT_EQ(choose(0, "", 8, 4, 2.5).reason, "the control group's quota is 2.5 of 8 cores");
  EXPECT_EQ(choose(0, "", 8, 2, 6.0).count, 2);
  EXPECT_EQ(choose(0, "", 8, 8, 0.25).count, 1);
}

class CgroupFiles : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(root_); }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  std::optional<double> quota() { return cgroup_quota(root_ / "self", root_ / "mount"); }

  std::filesystem::path root_ =
      std::filesystem::path(::testing::TempDir()) / ("svtune_cgroup_" + std::to_string(getpid()));
};

TEST_F(CgroupFiles, SmallestQuotaOfAllGroupsAroundTheProcess) {
  write("self", "0::/outer/inner\n");
  EXPECT_EQ(quota(), std::nullopt);
  write("mount/outer/inner/cpu.max", "max 100000\n");
  EXPECT_EQ(quota(), std::nullopt);
  write("mount/outer/cpu.max", "150000 100000\n");
  EXPECT_EQ(quota(), 1.5);
  write("mount/outer/inner/cpu.max", "400000 100000\n");
  EXPECT_EQ(quota(), 1.5);
  write("mount/cpu.max", "100000 100000\n");  // the root that a container sees
  EXPECT_EQ(quota(), 1.0);
}

TEST_F(CgroupFiles, VersionOneIsReadToo) {
  write("self", "5:memory:/a\n4:cpu,cpuacct:/a\n");
  write("mount/cpu,cpuacct/a/cpu.cfs_quota_us", "-1\n");
  write("mount/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota(), std::nullopt);
  write("mount/cpu,cpuacct/a/cpu.cfs_quota_us", "300000\n");
  EXPECT_EQ(quota(), 3.0);
}

TEST_F(CgroupFiles, PathsOutsideTheMountFallBackToItsRoot) {
  write("self", "0::/not/mounted/here\n");
  write("mount/cpu.max", "200000 100000\n");
  EXPECT_EQ(quota(), 2.0);
}

TEST(ThreadCount, AffinityOfThisProcessIsSeen) {
  cpu_set_t former, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof former, &former), 0);
  CPU_ZERO(&one);
  int core = 0;
  while (!CPU_ISSET(core, &former)) ++core;
  CPU_SET(core, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  const ThreadLimits limits = thread_limits();
  sched_setaffinity(0, sizeof former, &former);
  EXPECT_EQ(limits.affinity, 1);
  EXPECT_GE(limits.cores, CPU_COUNT(&former));
}

}  // namespace thread_count_test
}  // namespace svtune
