// Command lines from arguments to options, output and exit codes.
#include "cli/core/application.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/files.h"
#include "cli/core/help_text.h"
#include "cli/core/test_commands.h"

namespace svtune {
namespace application_test {

using ::testing::HasSubstr;
using testing_commands::call;
using testing_commands::Outcome;

Json options_of(const std::vector<std::string>& args) {
  const Outcome outcome = call(args);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return outcome.code == 0 ? parse_json(outcome.out, "output") : Json();
}

std::string usage_failure(const std::vector<std::string>& args) {
  const Outcome outcome = call(args);
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.out, "");
  return outcome.err;
}

class ConfigFile {
 public:
  explicit ConfigFile(const std::string& text)
      : path_(std::filesystem::path(::testing::TempDir()) /
              ("svtune_config_" + std::to_string(getpid()))) {
    write_file_atomic(path_, text);
  }
  ~ConfigFile() { std::filesystem::remove(path_); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

TEST(Application, FlagsOfEveryTypeReachTheOptions) {
  const Json options = options_of({"fit",
                                   "models/a",
                                   "--targets",
                                   "k_proj,o_proj",
                                   "--targets=up_proj",
                                   "--stop",
                                   "a,b",
                                   "--stop",
                                   "c",
                                   "--rank-pattern",
                                   "layers.0=4,layers.1=8",
                                   "--no-packing",
                                   "--max-steps",
                                   "7",
                                   "--shuffle",
                                   "--note",
                                   "-",
                                   "--learning-rate",
                                   "1e-3",
                                   "--schedule",
                                   "linear",
                                   "--method",
                                   "pissa",
                                   "--svd-iterations",
                                   "0",
                                   "--rank",
                                   "+8"});
  EXPECT_EQ(dump_json(options),
            R"({"model": "models/a", "targets": ["k_proj", "o_proj", "up_proj"], )"
            R"("stop": ["a,b", "c"], "rank_pattern": {"layers.0": 4, "layers.1": 8}, )"
            R"("packing": false, "max_steps": 7, "shuffle": true, "note": "-", )"
            R"("learning_rate": 0.001, "schedule": "linear", "method": "pissa", "rank": 8, )"
            R"("svd_iterations": 0})");
}

TEST(Application, LastOfARepeatedFlagWins) {
  const Json options =
      options_of({"fit", "m", "--rank", "1", "--rank", "2", "--packing", "--no-packing",
                  "--no-shuffle", "--max-steps", "5", "--max-steps", "none"});
  EXPECT_EQ(options["rank"], 2);
  EXPECT_EQ(options["packing"], false);
  EXPECT_EQ(options["shuffle"], false);
  EXPECT_EQ(options["max_steps"], nullptr);
}

TEST(Application, ValuesOfARepeatedFlagThatDoNotCountAreNamed) {
  EXPECT_EQ(call({"fit", "m", "--rank", "1", "--rank", "2", "--rank", "3", "--max-steps", "5",
                  "--max-steps", "5", "--stop", "a", "--stop", "b"})
                .err,
            "warning: --rank is given several times: \"3\" counts, not \"1\", \"2\"\n");
  EXPECT_EQ(call({"fit", "m", "--packing", "--no-packing", "--shuffle", "--shuffle"}).err,
            "warning: --packing is given several times: \"false\" counts, not \"true\"\n");
  EXPECT_THAT(usage_failure({"fit", "m", "--config", ""}),
              HasSubstr("--config: got an empty path"));
}

TEST(Application, ArgumentsAfterTwoDashesAreNoOptions) {
  EXPECT_EQ(options_of({"fit", "--rank", "2", "--", "--model"})["model"], "--model");
  EXPECT_THAT(usage_failure({"fit", "--", "a", "--rank"}), HasSubstr("unexpected argument"));
}

TEST(Application, ConfigFileIsReadAndFlagsWin) {
  const ConfigFile config(R"({"model": "from-file", "method": "pissa", "rank": 4,
                              "svd_iterations": 2, "targets": ["a"]})");
  const Json options = options_of({"fit", "--rank", "9", "--config", config.path()});
  EXPECT_EQ(options["model"], "from-file");
  EXPECT_EQ(options["rank"], 9);
  EXPECT_EQ(options["svd_iterations"], 2);
  EXPECT_EQ(options["targets"], Json{"a"});
}

TEST(Application, SavedOptionsRepeatThemselves) {
  const Outcome first =
      call({"fit", "m", "--method", "pissa", "--note", "a \"b\"\n", "--no-packing"});
  const ConfigFile config(first.out);
  EXPECT_EQ(call({"fit", "-c", config.path()}).out, first.out);
}

TEST(Application, ProblemsOfFileAndFlagsAreNamedTogether) {
  const ConfigFile config(R"({"model": "m", "rnak": 4, "max_steps": 0})");
  EXPECT_EQ(usage_failure({"fit", "-c", config.path(), "--learning-rate", "fast"}),
            "error: 3 problems: " + config.path() + ": rnak: unknown option; " + config.path() +
                ": max_steps: got 0, allowed >= 1; --learning-rate: got \"fast\", need a number\n"
                "hint: did you mean rank?\n");
}

TEST(Application, UnknownOptionNamesTheNearest) {
  EXPECT_EQ(usage_failure({"fit", "m", "--lerning-rate", "0.1"}),
            "error: unknown option --lerning-rate\nhint: did you mean --learning-rate?\n");
  EXPECT_EQ(usage_failure({"fit", "m", "--no-paking"}),
            "error: unknown option --no-paking\nhint: did you mean --no-packing?\n");
  EXPECT_EQ(
      usage_failure({"fit", "m", "--iterations-of-the-svd"}),
      "error: unknown option --iterations-of-the-svd\nhint: did you mean --svd-iterations?\n");
  EXPECT_EQ(usage_failure({"fit", "m", "--lr", "1e-4"}),
            "error: unknown option --lr\nhint: did you mean --learning-rate?\n");
  EXPECT_EQ(usage_failure({"fit", "m", "--zzzzzzzz=3"}),
            "error: unknown option --zzzzzzzz\nhint: --help lists the options\n");
}

TEST(Application, RenamedOptionNamesTheNewOne) {
  EXPECT_EQ(usage_failure({"fit", "m", "--steps=3"}),
            "error: unknown option --steps\nhint: --steps is --max-steps now\n");
  const ConfigFile config(R"({"model": "m", "steps": 3})");
  EXPECT_EQ(
      usage_failure({"fit", "-c", config.path()}),
      "error: " + config.path() + ": steps: unknown option\nhint: --steps is --max-steps now\n");
}

TEST(Application, OptionOfAnotherMethodSaysWhoseItIs) {
  EXPECT_EQ(usage_failure({"fit", "m", "--svd-iterations", "3"}),
            "error: --svd-iterations: no option of --method lora\n"
            "hint: it belongs to --method pissa\n");
}

TEST(Application, MissingPartsAreNamed) {
  EXPECT_EQ(usage_failure({"fit"}),
            "error: required and not given: DIR\nhint: --help lists the options\n");
  EXPECT_THAT(usage_failure({"fit", "m", "--rank"}),
              HasSubstr("error: --rank: need a value (integer)\n"));
  EXPECT_THAT(usage_failure({"fit", "m", "--note", "--rank", "8"}),
              HasSubstr("error: --note: got the option --rank, need a value (text)\n"));
  EXPECT_THAT(usage_failure({"fit", "m", "q_proj"}),
              HasSubstr("error: unexpected argument \"q_proj\"\n"));
  EXPECT_THAT(usage_failure({"fit", "m", "--packing=maybe"}), HasSubstr("error: "));
}

TEST(Application, TextThatLooksLikeAnOptionIsAValue) {
  EXPECT_EQ(options_of({"fit", "m", "--note", "--help"})["note"], "--help");
  EXPECT_EQ(options_of({"fit", "m", "--note", "-h"})["note"], "-h");
  EXPECT_EQ(options_of({"fit", "m", "--note=--help"})["note"], "--help");
  EXPECT_EQ(options_of({"fit", "m", "--stop", "--help", "--stop=--rank", "--rank", "2"})["stop"],
            (Json{"--help", "--rank"}));
  EXPECT_EQ(options_of({"fit", "m", "--note=--rank"})["note"], "--rank");
  EXPECT_THAT(usage_failure({"fit", "m", "--note", "--rank", "8"}),
              HasSubstr("hint: Write --note=--rank if that is the value."));
  EXPECT_THAT(call({"fit", "--max-steps", "--help"}).out, HasSubstr("Usage"));
}

TEST(Application, CommandsAreFoundOrSuggested) {
  EXPECT_EQ(usage_failure({"fti"}), "error: unknown command fti\nhint: did you mean fit?\n");
  EXPECT_EQ(usage_failure({}), "error: no command given\nhint: svtune help lists the commands\n");
  EXPECT_EQ(usage_failure({"help", "fi"}), "error: unknown command fi\nhint: did you mean fit?\n");
  EXPECT_EQ(call({"--version"}).out, "svtune 1.2.3\n");
}

TEST(Application, EveryExceptionIsOneErrorLineAndOneHint) {
  const auto failure = [](const char* how) {
    const Outcome outcome = call({"fail", "--how", how});
    EXPECT_EQ(outcome.code, 1);
    return outcome.err;
  };
  EXPECT_EQ(failure("file"), "error: a.bin: truncated at byte 7\nhint: download it again\n");
  EXPECT_THAT(failure("memory"), HasSubstr("error: out of memory\nhint: "));
  EXPECT_EQ(failure("trace"), "error: shape mismatch\nhint: svtune help fail lists the options\n");
  EXPECT_THAT(failure("odd"), HasSubstr("error: unknown failure\nhint: "));
  EXPECT_EQ(call({"fail"}).code, 3);
  EXPECT_EQ(call({"fail", "-c", "no/such.json"}).code, 1);
}

TEST(Application, HelpNamesDefaultsUnitsAndRanges) {
  const std::string help = call({"help", "fit"}).out;
  EXPECT_EQ(call({"fit", "--rank", "x", "--help"}).out, help);
  EXPECT_EQ(call({"fit", "-h"}).out, help);
  for (const char* text :
       {"svtune fit DIR [options]", "Fit a model.", "Second paragraph.",
        "--learning-rate X         Peak learning rate (default 0.0002; > 0; in 1/step)",
        "--targets TEXT,...        Layers to adapt (default q_proj,v_proj)",
        "--[no-]packing            Pack documents | one row (default on)",
        "--max-steps N             Last step (default none; >= 1; in steps)",
        "--rank-pattern NAME=N,...\n                            Ranks by layer (>= 1)",
        "cosine: half a wave", "With --method lora | pissa\n  --rank N",
        "With --method pissa\n  --svd-iterations N", "-c, --config FILE",
        "svtune fit DIR --rank 8"}) {
    EXPECT_THAT(help, HasSubstr(text));
  }
  EXPECT_THAT(call({"--help"}).out, HasSubstr("  fit         Fit a model\n"));
}

TEST(OptionFacts, OfAnOptionThatSaysItsDefaultHaveNoOther) {
  FieldInfo info;
  info.name = "alpha";
  info.kind = FieldKind::kNumber;
  info.shape = FieldShape::kOptional;
  info.help = "Numerator of the scaling";
  EXPECT_EQ(option_facts(info), "default none");
  info.help = "Numerator of the scaling (default: the rank)";
  EXPECT_EQ(option_facts(info), "");
}

}  // namespace application_test
}  // namespace svtune
