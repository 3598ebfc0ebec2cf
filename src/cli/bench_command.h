// svtune bench: how fast this machine multiplies a model's matrices, in each arithmetic.
#pragma once

#include <filesystem>

#include "cli/core/command.h"
#include "io/model_options.h"

namespace svtune {

struct BenchOptions {
  static constexpr CommandInfo kCommand{
      .name = "bench",
      .summary = "Measure the products of a model's shapes in each arithmetic",
      .description =
          "Shows the rates from which --dtype auto chooses, measured now: of a linear layer's "
          "product and of its input gradient, in 1e9 operations a second, the conversion of "
          "weights that are stored in another dtype included. What was chosen before on this "
          "machine stays in the cache until svtune cache clear.",
      .examples = "svtune bench --model model/",
      .config = false};
  std::filesystem::path model;
  std::int64_t threads = 0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.model, kModelField);
    visit(self.threads, kThreadsField);
  }
};

int run(const BenchOptions& options, CommandContext& context);

}  // namespace svtune
