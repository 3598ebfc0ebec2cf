#include "svtune/fine_tune.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/errors.h"

namespace svtune {
namespace fine_tune_test {

using ::testing::HasSubstr;

FineTuneOptions options_with(const std::string& setting, const std::string& value) {
  FineTuneOptions options;
  options.model = "model";
  options.data = "data.jsonl";
  options.output = "run";
  options.settings = {{setting, value}};
  return options;
}

TEST(FineTune, SettingsThatAMemberGivesAreRefusedByName) {
  for (const std::string name :
       {"model", "data", "output", "method", "resume", "threads", "eval_data"}) {
    try {
      fine_tune(options_with(name, "1"));
      FAIL() << name << " was dropped";
    } catch (const UsageError& error) {
      EXPECT_THAT(error.what(), HasSubstr("FineTuneOptions::" + name));
    }
  }
  EXPECT_THROW(fine_tune(options_with("dry_run", "true")), UsageError);
}

TEST(FineTune, SettingsThatDoNotExistAreRefused) {
  try {
    fine_tune(options_with("learnin_rate", "1"));
    FAIL() << "an unknown setting was dropped";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("learnin_rate"));
  }
}

}  // namespace fine_tune_test
}  // namespace svtune
