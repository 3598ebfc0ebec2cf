// svtune recipes: the experiments of papers that svtune train --recipe repeats.
#pragma once

#include <string>

#include "cli/core/command.h"

namespace svtune {

struct RecipesOptions {
  static constexpr CommandInfo kCommand{
      .name = "recipes",
      .summary = "List the recipes of papers, or show one",
      .description =
          "A recipe is what a paper set in one experiment: method and its options, targets, rates, "
          "batch, epochs, lengths. svtune train --recipe NAME takes it; options on the command "
          "line and in --config come first. Beside a name stand the paper's figures, in per cent "
          "(correlations times 100).",
      .examples = "svtune recipes\nsvtune recipes svft-glue-cola-plain",
      .config = false};
  std::string name;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.name, {.name = "name",
                      .help = "Recipe to show; all are listed without one",
                      .value_name = "NAME",
                      .positional = true});
  }
};

int run(const RecipesOptions& options, CommandContext& context);

}  // namespace svtune
