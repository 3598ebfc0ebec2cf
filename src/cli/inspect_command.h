// svtune inspect: what a model, GGUF file, adapter or run consists of.
#pragma once

#include <filesystem>

#include "cli/core/command.h"

namespace svtune {

struct InspectOptions {
  static constexpr CommandInfo kCommand{
      .name = "inspect",
      .summary = "Show shapes, dtypes, ranks and sizes of a model, adapter or run",
      .description =
          "Takes a model directory, a .gguf file, an adapter directory, a run directory "
          "or one .safetensors file. Reads headers only.",
      .examples = "svtune inspect model/\nsvtune inspect runs/pissa/adapter --tensors"};
  std::filesystem::path path;
  bool tensors = false;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.path, {.name = "path",
                      .help = "What to look at",
                      .value_name = "PATH",
                      .required = true,
                      .positional = true});
    visit(self.tensors, {.name = "tensors", .help = "List every tensor"});
  }
};

int run(const InspectOptions& options, CommandContext& context);

}  // namespace svtune
