// metrics.jsonl: what is written is read back, torn files and resumed runs included.
#include "report/metrics_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

#include "base/errors.h"
#include "base/files.h"

namespace svtune {
namespace metrics_log_test {

using ::testing::ElementsAre;

class MetricsLogTest : public ::testing::Test {
 protected:
  MetricsLogTest()
      : path_(std::filesystem::path(::testing::TempDir()) /
              ("svtune_metrics_" + std::to_string(getpid()))) {
    std::filesystem::remove(path_);
  }
  ~MetricsLogTest() override { std::filesystem::remove(path_); }

  std::vector<std::int64_t> steps() const {
    std::vector<std::int64_t> out;
    for (const MetricPoint& point : read_metrics(path_).points) out.push_back(point.step);
    return out;
  }
  static MetricPoint point(std::int64_t step, double loss) {
    MetricPoint point;
    point.step = step;
    point.loss = loss;
    return point;
  }

  std::filesystem::path path_;
};

TEST_F(MetricsLogTest, StepsWithoutALineAreNamed) {
  const auto missing = [](std::vector<std::int64_t> steps, std::int64_t through) {
    MetricsFile file;
    for (const std::int64_t step : steps) file.points.push_back(point(step, 1));
    return missing_steps(file, through);
  };
  EXPECT_EQ(missing({1, 2, 3}, 3), "");
  EXPECT_EQ(missing({1, 2, 3, 4}, 3), "");
  EXPECT_EQ(missing({}, 0), "");
  EXPECT_EQ(missing({}, 1), "1");
  EXPECT_EQ(missing({}, 12), "1 to 12");
  EXPECT_EQ(missing({2, 3, 7, 9, 20}, 11), "1, 4 to 6, 8, 10 to 11");
  EXPECT_EQ(missing({2, 4, 6, 8, 10, 12}, 13), "1, 3, 5, 7, 9 and 2 more");
}

TEST_F(MetricsLogTest, EveryFieldSurvivesAndAbsentOnesStayAbsent) {
  MetricPoint full;
  full.step = 3;
  double value = 0.1;
  for (const MetricField& field : metric_fields()) full.*field.member = value *= 3.7;
  {
    MetricsLog log(path_);
    log.append(point(1, 2.5));
    log.append(full);
  }
  const MetricsFile file = read_metrics(path_);
  ASSERT_EQ(file.points.size(), 2u);
  EXPECT_EQ(file.skipped_lines, 0);
  EXPECT_EQ(file.points[0].loss, 2.5);
  EXPECT_FALSE(file.points[0].grad_norm);
  for (const MetricField& field : metric_fields()) {
    EXPECT_EQ(file.points[1].*field.member, full.*field.member) << field.key;
  }
}

TEST_F(MetricsLogTest, LinesArePlainJson) {
  {
    MetricsLog log(path_);
    MetricPoint one = point(7, NAN);
    one.learning_rate = 1e-5;
    log.append(one);
  }
  EXPECT_EQ(read_file(path_, 1000), "{\"step\": 7, \"loss\": null, \"learning_rate\": 1e-05}\n");
  ASSERT_TRUE(read_metrics(path_).points[0].loss);
  EXPECT_TRUE(std::isnan(*read_metrics(path_).points[0].loss));
}

TEST_F(MetricsLogTest, LineIsInTheFileBeforeTheNextCall) {
  MetricsLog log(path_);
  log.append(point(1, 1));
  EXPECT_THAT(steps(), ElementsAre(1));
}

TEST_F(MetricsLogTest, ResumedRunHasEachStepOnce) {
  {
    MetricsLog log(path_);
    for (int step = 1; step <= 9; ++step) log.append(point(step, step));
  }
  {
    MetricsLog log(path_, 6);  // killed after step 9, checkpoint of step 6
    for (int step = 7; step <= 8; ++step) log.append(point(step, 10 * step));
  }
  EXPECT_THAT(steps(), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_EQ(read_metrics(path_).points[6].loss, 70);
  MetricsLog fresh(path_);
  EXPECT_TRUE(steps().empty());
}

TEST_F(MetricsLogTest, TornAndForeignLinesAreSkippedAndCounted) {
  write_file_atomic(path_,
                    "{\"step\": 1, \"loss\": 2, \"new_key\": [1]}\n"
                    "[1, 2]\n{\"loss\": 3}\n{\"step\": \"x\"}\n\n"
                    "{\"step\": 2, \"loss\": NaN}\n{\"step\": 3, \"lo");
  const MetricsFile file = read_metrics(path_);
  EXPECT_THAT(steps(), ElementsAre(1, 2));
  EXPECT_EQ(file.skipped_lines, 4);
}

TEST_F(MetricsLogTest, LinesOfOneStepAreMerged) {
  write_file_atomic(path_,
                    "{\"step\": 2, \"loss\": 5}\n{\"step\": 1, \"loss\": 4}\n"
                    "{\"step\": 2, \"eval_loss\": 6}\n");
  const MetricsFile file = read_metrics(path_);
  EXPECT_THAT(steps(), ElementsAre(1, 2));
  EXPECT_EQ(file.points[1].loss, 5);
  EXPECT_EQ(file.points[1].eval_loss, 6);
}

TEST_F(MetricsLogTest, MissingFileHasNoPointsAndAFullDiskIsNamed) {
  EXPECT_TRUE(read_metrics(path_).points.empty());
  EXPECT_THROW(MetricsLog("/no/such/folder/metrics.jsonl"), FileError);
}

}  // namespace metrics_log_test
}  // namespace svtune
