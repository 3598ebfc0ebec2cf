// svtune merge: a model directory with the adapter's effect in its weights.
#pragma once

#include "cli/convert_command.h"
#include "cli/core/command.h"
#include "cli/model_options.h"

namespace svtune {

struct MergeCommandOptions {
  static constexpr CommandInfo kCommand{
      .name = "merge",
      .summary = "Write the model with the adapter merged into its weights",
      .description =
          "Computes in fp32, rounds once to the output's dtype and reports the "
          "largest change of a weight.",
      .examples = "svtune merge --model model/ --adapter run/adapter --output merged/"};
  std::filesystem::path model, adapter, output;
  std::optional<FileDtype> output_dtype;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.model, {.name = "model",
                       .help = "Hugging Face model directory or .gguf file",
                       .value_name = "PATH",
                       .required = true});
    visit(self.adapter, {.name = "adapter",
                         .help = "Adapter directory",
                         .value_name = "DIR",
                         .required = true,
                         .path = PathHint::kDirectory});
    visit(self.output, {.name = "output",
                        .help = "Directory to create",
                        .value_name = "DIR",
                        .required = true,
                        .path = PathHint::kDirectory});
    visit(self.output_dtype,
          {.name = "output_dtype", .help = "Type of the written weights (default: the model's)"});
  }
};

int run(const MergeCommandOptions& options, CommandContext& context);

}  // namespace svtune
