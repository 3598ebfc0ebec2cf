// What reaches the terminal or the log, with a clock and a stream of the test's own.
#include "cli/core/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>

#include "cli/core/interrupt.h"

namespace svtune {
namespace progress_test {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Recorder {
  double time = 0;
  std::vector<std::string> writes;

  Progress::Settings settings(bool interactive, int width = 80) {
    Progress::Settings settings;
    settings.label = "train";
    settings.terminal = [interactive, width] {
      return TerminalInfo{.interactive = interactive, .width = width};
    };
    settings.write = [this](std::string_view text) { writes.emplace_back(text); };
    settings.now = [this] { return time; };
    return settings;
  }
};

ProgressSample sample(std::int64_t done) {
  return {.done = done,
          .total = 100,
          .loss = 1.25,
          .tokens_per_second = 5432,
          .memory = 1u << 30,
          .note = ""};
}

TEST(Progress, RedrawsAtMostTenTimesASecond) {
  Recorder recorder;
  {
    Progress progress(recorder.settings(true));
    for (int i = 0; i <= 1000; ++i) {  // one second of steps of a millisecond
      recorder.time = i * 1e-3;
      progress.update(sample(i / 10));
    }
  }
  EXPECT_LE(recorder.writes.size(), 13u);  // 10 + the first, the last and the line's end
  EXPECT_GE(recorder.writes.size(), 10u);
  EXPECT_EQ(recorder.writes.back(), "\n");
}

TEST(Progress, LineHoldsLossRateTimeAndMemory) {
  Recorder recorder;
  Progress progress(recorder.settings(true, 100));
  progress.update(sample(0));
  recorder.time = 10;
  progress.update(sample(25));
  EXPECT_EQ(recorder.writes.back(),
            "\rtrain [########......................]  25/100  loss 1.2500  5.43K tok/s  "
            "ETA 0:30  1.00 GiB\x1b[K");
}

TEST(Progress, LineNeverReachesTheLastColumn) {
  for (int width = 20; width < 120; ++width) {
    Recorder recorder;
    Progress progress(recorder.settings(true, width));
    progress.update(sample(5));
    const std::size_t columns = recorder.writes.back().size() - std::string("\r\x1b[K").size();
    EXPECT_LT(columns, static_cast<std::size_t>(width));
  }
}

TEST(Progress, PlainLinesNowAndThenElsewhere) {
  Recorder recorder;
  Progress progress(recorder.settings(false));
  for (int i = 0; i <= 100; ++i) {
    recorder.time = i * 0.1;
    progress.update(sample(i));
  }
  progress.finish();
  EXPECT_THAT(
      recorder.writes,
      ElementsAre("train  step 0/100 (0%)  loss 1.2500  5432 tokens/s  memory 1.00 GiB\n",
                  HasSubstr("train  step 50/100 (50%)  loss 1.2500  5432 tokens/s  ETA 0:05"),
                  HasSubstr("train  step 100/100 (100%)")));
}

TEST(Progress, PrintedLinesStandAboveTheBar) {
  Recorder recorder;
  Progress progress(recorder.settings(true));
  progress.update(sample(1));
  progress.print("saved");
  ASSERT_EQ(recorder.writes.size(), 3u);
  EXPECT_EQ(recorder.writes[1], "\rsaved\x1b[K\n");
  EXPECT_THAT(recorder.writes[2], HasSubstr("train ["));
}

TEST(Progress, FollowsTheWidthOfTheWindow) {
  Recorder recorder;
  int width = 100;
  Progress::Settings settings = recorder.settings(true);
  settings.terminal = [&width] { return TerminalInfo{.interactive = true, .width = width}; };
  Progress progress(settings);
  progress.update(sample(5));
  width = 40;
  recorder.time = 1;
  progress.update(sample(6));
  EXPECT_EQ(recorder.writes.back().size(), 39 + std::string("\r\x1b[K").size());
}

TEST(Progress, DurationsReadAsClocks) {
  EXPECT_EQ(format_duration(42.4), "0:42");
  EXPECT_EQ(format_duration(185), "3:05");
  EXPECT_EQ(format_duration(8049), "2:14:09");
  EXPECT_EQ(format_duration(-1), "?");
}

TEST(Terminal, EnvironmentDecidesColourAndRedrawing) {
  const auto judge = [](bool tty, const std::map<std::string, std::string>& variables) {
    return detail::judge_terminal(tty, 0, [variables](const char* name) {
      const auto it = variables.find(name);
      return it == variables.end() ? std::string() : it->second;
    });
  };
  EXPECT_TRUE(judge(true, {}).interactive);
  EXPECT_TRUE(judge(true, {}).colour);
  EXPECT_FALSE(judge(false, {}).interactive);
  EXPECT_FALSE(judge(false, {}).colour);
  EXPECT_FALSE(judge(true, {{"TERM", "dumb"}}).interactive);
  EXPECT_FALSE(judge(true, {{"TERM", "dumb"}}).colour);
  EXPECT_FALSE(judge(true, {{"CI", "true"}}).interactive);
  EXPECT_FALSE(judge(true, {{"NO_COLOR", "1"}}).colour);
  EXPECT_TRUE(judge(false, {{"CLICOLOR_FORCE", "1"}}).colour);
  EXPECT_TRUE(judge(true, {{"LANG", "en_GB.UTF-8"}}).utf8);
  EXPECT_FALSE(judge(true, {{"LC_ALL", "C"}, {"LANG", "en_GB.UTF-8"}}).utf8);
  EXPECT_EQ(judge(true, {{"COLUMNS", "132"}}).width, 132);
  EXPECT_EQ(judge(true, {{"COLUMNS", "wide"}}).width, 80);
}

TEST(Interrupt, FirstSignalSetsTheFlagAndTheSecondEndsTheProcess) {
  {
    const InterruptGuard guard;
    EXPECT_FALSE(interrupt_requested());
    raise(SIGTERM);
    EXPECT_TRUE(interrupt_requested());
  }
  EXPECT_FALSE(interrupt_requested());
  EXPECT_EQ(interrupt_exit_code(), 143);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const InterruptGuard guard;
    raise(SIGINT);
    raise(SIGINT);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGINT);
}

}  // namespace progress_test
}  // namespace svtune
