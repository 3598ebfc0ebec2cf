// The settings of fine_tune() obey the rules of the command line; nothing in them is dropped.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "svtune/svtune.h"

namespace svtune {
namespace settings_test {

using ::testing::HasSubstr;

// Options that fail only where files are looked for.
FineTuneOptions options_with(const std::map<std::string, std::string>& settings) {
  FineTuneOptions options;
  options.model = "/nonexistent/model";
  options.data = "/nonexistent/data.jsonl";
  options.output = std::filesystem::path(::testing::TempDir()) / "svtune_settings_run";
  options.settings = settings;
  return options;
}

// "kind message" of the error.
std::string refusal(const FineTuneOptions& options) {
  try {
    fine_tune(options);
  } catch (const std::exception& error) {
    const bool usage = describe_error(error).kind == ErrorKind::kUsage;
    return (usage ? "usage: " : "other: ") + std::string(error.what());
  }
  return "accepted";
}

TEST(Settings, KeysThatTheStructHasAreRefusedByName) {
  for (const char* name : {"method", "model", "data", "output", "resume", "threads", "eval_data"}) {
    EXPECT_THAT(refusal(options_with({{name, "1"}})),
                HasSubstr("usage: settings: " + std::string(name) + " is given by the member"));
  }
  EXPECT_THAT(refusal(options_with({{"dry_run", "true"}})), HasSubstr("usage: settings"));
}

TEST(Settings, OptionThatDoesNotApplyIsRefused) {
  EXPECT_THAT(refusal(options_with({{"niter", "4"}})),
              HasSubstr("usage: niter: applies only with --svd fast"));
  EXPECT_THAT(refusal(options_with({{"quant_iters", "3"}})), HasSubstr("usage: quant_iters: "));
  EXPECT_THAT(refusal(options_with({{"eval_every", "3"}})),
              HasSubstr("usage: eval_every: applies only with --eval-data"));
}

TEST(Settings, MembersCountAsGiven) {
  FineTuneOptions options = options_with({{"eval_every", "3"}});
  options.eval_data = "/nonexistent/eval.jsonl";
  EXPECT_THAT(refusal(options), HasSubstr("other: "));
  options = options_with({{"adapter", "/nonexistent/adapter"}});
  EXPECT_THAT(refusal(options), HasSubstr("other: "));
  options.method = "lora";
  EXPECT_THAT(refusal(options), HasSubstr("usage: method: does not go with --adapter"));
  options.threads = -1;
  EXPECT_THAT(refusal(options), HasSubstr("threads: got -1"));
}

TEST(Settings, MissingPartsAreNamed) {
  EXPECT_THAT(refusal(FineTuneOptions{}), HasSubstr("model, data and output must be given"));
}

}  // namespace settings_test
}  // namespace svtune
