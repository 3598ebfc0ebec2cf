// svtune demo-data: arithmetic word problems with worked answers, made from a seed.
#pragma once

#include <filesystem>

#include "cli/core/command.h"

namespace svtune {

struct DemoDataOptions {
  static constexpr CommandInfo kCommand{
      .name = "demo-data",
      .summary = "Write arithmetic word problems to train and test on",
      .description =
          "Writes train.jsonl and test.jsonl with lines {\"query\", \"response\"}; "
          "answers end in \"The answer is: N\". No question is in both.",
      .examples = "svtune demo-data --output data/ --train 2000 --test 200"};
  std::filesystem::path output;
  std::int64_t train = 4000, test = 200;
  std::uint64_t seed = 1;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.output, {.name = "output",
                        .help = "Directory to write to",
                        .value_name = "DIR",
                        .required = true,
                        .path = PathHint::kDirectory});
    visit(self.train, {.name = "train",
                       .help = "Problems to train on",
                       .unit = "problems",
                       .min = 1,
                       .max = 1e6});
    visit(self.test,
          {.name = "test", .help = "Held-out problems", .unit = "problems", .min = 1, .max = 1e6});
    visit(self.seed, {.name = "seed", .help = "Seed of the problems", .min = 0});
  }
};

int run(const DemoDataOptions& options, CommandContext& context);

}  // namespace svtune
