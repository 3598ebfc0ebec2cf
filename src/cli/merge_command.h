// svtune merge: a model directory with the adapter's effect in its weights.
#pragma once

#include "cli/conversion.h"
#include "cli/convert_command.h"
#include "cli/core/command.h"
#include "merge/rounding.h"

namespace svtune {

struct MergeCommandOptions {
  static constexpr CommandInfo kCommand{
      .name = "merge",
      .summary = "Write the model with the adapter merged into its weights",
      .description =
          "Computes in fp32 and rounds once to the output's dtype. Reports the largest change of "
          "a weight and how much of the update the dtype keeps; svtune_merge.json in the output "
          "says it of each weight.\n\n"
          "Several adapters, of any methods, become one change: the weighted sum of theirs, or by "
          "TIES or DARE, computed on the changes of the weights and not on their factors.",
      .examples =
          "svtune merge --model model/ --adapter run/adapter --output merged/\n"
          "svtune merge --model model/ --adapter sums=runs/sums/adapter --adapter "
          "prose=runs/prose/adapter --weight sums=0.7 --weight prose=0.3 --output both/"};
  AdapterConversion paths;
  std::optional<FileDtype> output_dtype;
  RoundingOptions rounding;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit.group("", self.paths);
    visit(self.output_dtype,
          {.name = "output_dtype", .help = "Type of the written weights (default: the model's)"});
    visit.group("", self.rounding);
  }
};

int run(const MergeCommandOptions& options, CommandContext& context);

}  // namespace svtune
