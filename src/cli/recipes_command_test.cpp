// Recipes on the command line: where their options stand among the others, and what is refused.
#include "cli/recipes_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "base/errors.h"
#include "base/files.h"
#include "base/oracle_test_util.h"
#include "cli/commands.h"
#include "cli/core/application.h"

namespace svtune {
namespace recipes_command_test {

using test::TempDirectory;
using ::testing::AllOf;
using ::testing::HasSubstr;

// The options that svtune train would run with.
Json resolved(const std::vector<std::string>& args) {
  std::vector<std::string> all = {"--model", "m", "--data", "d", "--output", "o"};
  all.insert(all.end(), args.begin(), args.end());
  const std::vector<FieldInfo> known = describe_fields<TrainCommandOptions>();
  TrainCommandOptions options;
  apply_line(
      parse_line(known, all, TrainCommandOptions::kCommand),
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
  const Json lora = resolved(
      {"--recipe", "svft-glue-rte-random", "--method", "lora", "--rank", "4", "--max-steps", "7"});
  EXPECT_EQ(lora.at("method"), "lora");
  EXPECT_FALSE(lora.contains("pattern"));
  EXPECT_EQ(lora.at("task"), "classify");
  EXPECT_EQ(lora.at("max_steps"), 7);
  EXPECT_EQ(lora.at("epochs"), 1);
  EXPECT_EQ(lora.at("batch_size"), 16);
}

TEST(Recipes, OtherDataToEvaluateOnReplaceThoseOfTheRecipe) {
  const Json shots = resolved({"--recipe", "svft-vit-b-d2"});
  EXPECT_EQ(shots.at("eval_shots"), 2);
  EXPECT_EQ(shots.at("keep_best"), "accuracy");
  const Json own = resolved({"--recipe", "svft-vit-b-d2", "--eval-data", "dev"});
  EXPECT_EQ(own.at("shots"), 10);
  EXPECT_EQ(own.at("eval_shots"), nullptr);
  EXPECT_EQ(own.at("eval_data"), "dev");
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

TEST(Recipes, AnotherThanThatOfTheFileIsRefused) {
  const TempDirectory directory;
  const std::string file = (directory / "config.json").string();
  const std::vector<std::string> same = {"--config", file, "--recipe", "svft-glue-rte-random"};
  const std::vector<std::string> other = {"--config", file, "--recipe", "pissa-glue-rte"};
  const auto refusal = [&](const std::vector<std::string>& line) -> std::string {
    try {
      resolved(line);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  };
  const Json first = resolved({"--recipe", "svft-glue-rte-random"});
  write_file_atomic(file, dump_json(first));
  EXPECT_EQ(resolved(same), first);
  EXPECT_THAT(refusal(other), AllOf(HasSubstr("--recipe pissa-glue-rte changes nothing"),
                                    HasSubstr("recipe is \"svft-glue-rte-random\"")));
  write_file_atomic(file, dump_json(resolved({})));
  EXPECT_THAT(refusal(other), HasSubstr("recipe is none"));
}

TEST(Recipes, UnknownOnesAndWrongModelsAreRefused) {
  const Outcome unknown = call({"recipes", "svft-glue-cola-plan"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, AllOf(HasSubstr("there is no recipe \"svft-glue-cola-plan\""),
                                 HasSubstr("Did you mean svft-glue-cola-plain, ")));
  const TempDirectory directory;
  const auto refusal = [&](const std::string& type, const std::string& recipe) {
    std::filesystem::create_directories(directory / type);
    write_file_atomic(directory / type / "config.json", R"({"model_type": ")" + type + R"("})");
    const Outcome outcome = call({"train", "--model", (directory / type).string(), "--data", "d",
                                  "--output", (directory / "run").string(), "--recipe", recipe});
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    return outcome.err;
  };
  EXPECT_THAT(refusal("llama", "svft-glue-cola-plan"), HasSubstr("there is no recipe"));
  EXPECT_THAT(refusal("llama", "svft-glue-cola-plain"),
              AllOf(HasSubstr("is for an encoder of text"), HasSubstr("is a decoder of text")));
  EXPECT_THAT(refusal("vit", "pissa-glue-rte"), HasSubstr("is an encoder of images"));
  EXPECT_THAT(refusal("bert", "svft-vit-b-d2"), HasSubstr("is for an encoder of images"));
  EXPECT_THAT(refusal("bert", "pissa-metamath"), HasSubstr("is for a decoder of text"));
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

}  // namespace recipes_command_test
}  // namespace svtune
