#include "train/schedule.h"

#include <gtest/gtest.h>

#include "base/errors.h"
#include "base/json.h"
#include "base/oracle_test_util.h"
#include "train/train_config.h"

namespace svtune {
namespace schedule_test {

// Rates before each of the steps for every shape, total and warm-up.
constexpr char kOracle[] = R"(
import json, torch
from transformers import get_scheduler
out = []
for shape, name in [("cosine", "cosine"), ("linear", "linear"),
                    ("constant", "constant_with_warmup")]:
    for total, warmup in [(1, 0), (10, 0), (10, 3), (37, 2), (100, 99)]:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2e-4)
        schedule = get_scheduler(name, optimizer, warmup, total)
        rates = []
        for _ in range(total):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        out.append({"shape": shape, "total": total, "warmup": warmup, "rates": rates})
print(json.dumps(out))
)";

TEST(Schedule, RatesAfterTheWarmupEqualTransformersGetScheduler) {
  const std::string python = test::oracle_python("torch,transformers");
  if (python.empty()) GTEST_SKIP() << "no Python with torch and transformers";
  const Json cases = parse_json(test::run_oracle(python, kOracle), "oracle");
  ASSERT_EQ(cases.size(), 15u);
  for (const Json& each : cases) {
    ScheduleConfig config;
    config.learning_rate = 2e-4;
    config.shape = enum_from_name<ScheduleShape>(each["shape"].get<std::string>()).value();
    config.warmup_steps = each["warmup"].get<std::int64_t>();
    const auto total = each["total"].get<std::int64_t>();
    const Schedule schedule(config, total);
    for (std::int64_t step = schedule.warmup_steps(); step < total; ++step) {
      // The oracle multiplies in another order: a few units in the last place.
      EXPECT_NEAR(schedule.rate(step), each["rates"][static_cast<std::size_t>(step)].get<double>(),
                  1e-18)
          << each.dump() << " step " << step;
    }
  }
}

TEST(Schedule, WarmupRisesEvenlyToThePeakAndStepOneLearns) {
  for (const ScheduleShape shape :
       {ScheduleShape::kCosine, ScheduleShape::kLinear, ScheduleShape::kConstant}) {
    ScheduleConfig config;
    config.learning_rate = 8.0;
    config.shape = shape;
    config.warmup_steps = 3;
    const Schedule schedule(config, 10);
    EXPECT_EQ(schedule.rate(0), 2.0);
    EXPECT_EQ(schedule.rate(1), 4.0);
    EXPECT_EQ(schedule.rate(2), 6.0);
    EXPECT_EQ(schedule.rate(3), 8.0);
  }
}

// With the default options 128 examples are one step, 4,224 are 33.
TEST(Schedule, ShortRunsReachThePeakWithTheDefaultWarmup) {
  for (const std::int64_t total : {1, 2, 5, 33}) {
    const ScheduleConfig config;
    const Schedule schedule(config, total);
    EXPECT_GT(schedule.rate(0), 0.0) << total;
    EXPECT_EQ(schedule.rate(schedule.warmup_steps()), config.learning_rate) << total;
  }
}

TEST(Schedule, WarmupRatioRoundsUpLeavesAStepAndStepsWin) {
  ScheduleConfig config;
  config.warmup_ratio = 0.03;
  EXPECT_EQ(Schedule(config, 100).warmup_steps(), 3);
  EXPECT_EQ(Schedule(config, 101).warmup_steps(), 4);
  EXPECT_EQ(Schedule(config, 1).warmup_steps(), 0);
  config.warmup_ratio = 1;
  EXPECT_EQ(Schedule(config, 8).warmup_steps(), 7);
  config.warmup_steps = 7;
  EXPECT_EQ(Schedule(config, 100).warmup_steps(), 7);
}

TEST(Schedule, WarmupThatLeavesNoStepAtThePeakIsRefused) {
  ScheduleConfig config;
  config.warmup_steps = 16;
  EXPECT_THROW(Schedule(config, 16), UsageError);
  EXPECT_EQ(Schedule(config, 17).warmup_steps(), 16);
}

TEST(TrainConfig, StepsFollowFromEpochsUnlessGiven) {
  TrainConfig config;
  config.batch.gradient_accumulation = 4;
  EXPECT_EQ(total_steps(config, 30), 8);  // the last step holds two micro-batches
  EXPECT_EQ(total_steps(config, 1), 1);
  config.max_steps = 5;
  EXPECT_EQ(total_steps(config, 10), 5);
}

TEST(TrainConfig, SurvivesJson) {
  TrainConfig config;
  config.schedule.learning_rate = 1e-3;
  config.activations.recompute = Recompute::kFull;
  config.activations.max_memory = 4ll << 30;
  config.batch.batch_tokens = 4096;
  TrainConfig read;
  fields_from_json(read, fields_to_json(config), "test");
  EXPECT_EQ(fields_to_json(read), fields_to_json(config));
}

}  // namespace schedule_test
}  // namespace svtune
