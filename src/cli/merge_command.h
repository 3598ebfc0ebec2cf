// svtune merge: a model directory with the adapter's effect in its weights.
#pragma once

#include "cli/convert_command.h"
#include "cli/core/command.h"
#include "cli/shared_steps.h"

namespace svtune {

struct MergeCommandOptions {
  static constexpr CommandInfo kCommand{
      .name = "merge",
      .summary = "Write the model with the adapter merged into its weights",
      .description =
          "Computes in fp32, rounds once to the output's dtype and reports the "
          "largest change of a weight.",
      .examples = "svtune merge --model model/ --adapter run/adapter --output merged/"};
  AdapterConversion paths;
  std::optional<FileDtype> output_dtype;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit.group("", self.paths);
    visit(self.output_dtype,
          {.name = "output_dtype", .help = "Type of the written weights (default: the model's)"});
  }
};

int run(const MergeCommandOptions& options, CommandContext& context);

}  // namespace svtune
