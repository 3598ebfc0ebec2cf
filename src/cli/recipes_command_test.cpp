// Recipes on the command line: where their options stand among the others, and what is refused.
#include "cli/recipes_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "base/files.h"
#include "base/oracle_test_util.h"
#include "cli/commands.h"
#include "cli/core/application.h"

namespace svtune {
namespace {

using test::TempDirectory;
using ::testing::AllOf;
using ::testing::HasSubstr;

// The options that svtune train would run with.
Json resolved(const std::vector<std::string>& args) {
  std::vector<std::string> all = {"--model", "m", "--data", "d", "--output", "o"};
  all.insert(all.end(), args.begin(), args.end());
  const std::vector<FieldInfo> known = describe_fields<TrainCommandOptions>();
  TrainCommandOptions options;
  apply_line(parse_line(known, all, TrainCommandOptions::kCommand),
             [&options] { return list_fields(options); }, known, TrainCommandOptions::presets);
  return fields_to_json(options);
}

struct Outcome {
  int code;
  std::string out, err;
};

Outcome call(const std::vector<std::string>& args) {
  std::ostringstream out, err;
  const int code = run_application(program_info(), Commands::make(), args, out, err);
  return {code, out.str(), err.str()};
}

TEST(Recipes, TheFileComesBeforeTheRecipeAndTheCommandLineBeforeBoth) {
  const Json recipe = resolved({"--recipe", "svft-glue-cola-plain"});
  EXPECT_EQ(recipe.at("recipe"), "svft-glue-cola-plain");
  EXPECT_EQ(recipe.at("method"), "svft");
  EXPECT_EQ(recipe.at("pattern"), "plain");
  EXPECT_EQ(recipe.at("learning_rate"), 8e-2);
  EXPECT_EQ(recipe.at("head_learning_rate"), 6e-3);
  EXPECT_EQ(recipe.at("epochs"), 20);
  const TempDirectory directory;
  const std::string file = (directory / "run.json").string();
  write_file_atomic(file, R"({"recipe": "svft-glue-cola-plain", "learning_rate": 0.01,
                              "max_length": 32, "gradient_accumulation": 32})");
  const Json both = resolved({"--config", file, "--max-length", "48"});
  EXPECT_EQ(both.at("learning_rate"), 0.01);
  EXPECT_EQ(both.at("gradient_accumulation"), 32);  // its default, given
  EXPECT_EQ(both.at("max_length"), 48);
  EXPECT_EQ(both.at("epochs"), 20);
}

TEST(Recipes, AnotherMethodLeavesTheRest) {
  const Json lora = resolved({"--recipe", "svft-glue-rte-random", "--method", "lora", "--rank",
                              "4", "--max-steps", "7"});
  EXPECT_EQ(lora.at("method"), "lora");
  EXPECT_FALSE(lora.contains("pattern"));
  EXPECT_EQ(lora.at("task"), "classify");
  EXPECT_EQ(lora.at("max_steps"), 7);
  EXPECT_EQ(lora.at("epochs"), 1);
  EXPECT_EQ(lora.at("batch_size"), 16);
}

// What a run saves repeats it, whatever replaced the recipe's options.
TEST(Recipes, SavedOptionsOfARunComeBackAsTheyWere) {
  const TempDirectory directory;
  const std::string file = (directory / "config.json").string();
  const std::vector<std::vector<std::string>> lines = {
      {}, {"--pattern", "plain"}, {"--method", "full"}, {"--max-steps", "5"}, {"--epochs", "1"}};
  for (std::vector<std::string> line : lines) {
    line.insert(line.begin(), {"--recipe", "svft-glue-rte-random"});
    const Json first = resolved(line);
    write_file_atomic(file, dump_json(first));
    EXPECT_EQ(resolved({"--config", file}), first) << line.back();
  }
}

TEST(Recipes, UnknownOnesAndWrongModelsAreRefused) {
  const Outcome unknown = call({"recipes", "svft-glue-cola-plan"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, AllOf(HasSubstr("there is no recipe \"svft-glue-cola-plan\""),
                                 HasSubstr("Did you mean svft-glue-cola-plain, ")));
  const TempDirectory directory;
  std::filesystem::create_directories(directory / "llama");
  write_file_atomic(directory / "llama/config.json", R"({"model_type": "llama"})");
  const std::vector<std::string> line = {"train",    "--model",
                                         (directory / "llama").string(), "--data",
                                         "d",        "--output",
                                         (directory / "run").string(), "--recipe"};
  for (const auto& [recipe, words] : {std::pair{"svft-glue-cola-plan", "there is no recipe"},
                                      std::pair{"svft-glue-cola-plain", "an encoder of text"}}) {
    std::vector<std::string> args = line;
    args.emplace_back(recipe);
    const Outcome outcome = call(args);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(words));
  }
}

TEST(Recipes, TheListAndOneOfThemShowSourceOptionsAndFigures) {
  const Outcome list = call({"recipes"});
  EXPECT_EQ(list.code, 0);
  EXPECT_THAT(list.out, AllOf(HasSubstr("svft-glue-stsb-random"), HasSubstr("pissa-metamath"),
                              HasSubstr("GSM8K, LLaMA-2-7B exact_match 53.22 and 5 more")));
  const Outcome one = call({"recipes", "pissa-glue-qnli"});
  EXPECT_EQ(one.code, 0);
  EXPECT_THAT(one.out, AllOf(HasSubstr("PiSSA 2404.02948, Table 10"), HasSubstr("  --alpha 16\n"),
                             HasSubstr("  --method pissa\n"), HasSubstr("QNLI accuracy 94.43")));
}

}  // namespace
}  // namespace svtune
