// The list of tasks beside what else must know each of them.
#include "train/session_data.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "report/charts.h"

namespace svtune {
namespace session_data_test {

// Reports are made of config.json, by the names that it holds.
TEST(TaskRules, EveryTaskIsListedAndItsLossesHaveAUnit) {
  std::set<std::string> units;
  for (const EnumName<TrainTask>& task : kTrainTaskNames) {
    SCOPED_TRACE(std::string(task.name));
    EXPECT_EQ(rules_of(task.value).task, task.value);
    ReportRun run;
    run.config = {{"task", std::string(task.name)}};
    const std::string unit(loss_unit(run));
    EXPECT_FALSE(unit.empty()) << "report/chart_series.cpp does not know the task";
    EXPECT_TRUE(units.insert(unit).second) << "losses of two tasks would share an axis";
  }
}

}  // namespace session_data_test
}  // namespace svtune
