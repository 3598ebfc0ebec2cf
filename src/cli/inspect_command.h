// svtune inspect: what a model, GGUF file, adapter or run consists of.
#pragma once

#include <filesystem>

#include "cli/core/command.h"
#include "cli/inspect_spectrum.h"

namespace svtune {

struct InspectOptions {
  static constexpr CommandInfo kCommand{
      .name = "inspect",
      .summary = "Show shapes, dtypes, ranks and sizes of a model, adapter or run",
      .description =
          "Takes a model directory, a .gguf file, an adapter directory, a run directory "
          "or one .safetensors file. Reads headers only.\n\n"
          "--spectrum decomposes every linear layer of a model and shows its singular values, "
          "the energy of the leading ones, the residual that PiSSA would leave, the error of "
          "4 bits, and with an adapter or a run where the update lies.",
      .examples =
          "svtune inspect model/\nsvtune inspect runs/pissa/adapter --tensors\n"
          "svtune inspect runs/pissa --spectrum --output spectrum.html"};
  std::filesystem::path path;
  bool tensors = false;
  bool spectrum = false;
  SpectrumCommandOptions drawing;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.path, {.name = "path",
                      .help = "What to look at",
                      .value_name = "PATH",
                      .required = true,
                      .positional = true});
    visit(self.tensors, {.name = "tensors", .help = "List every tensor"});
    visit(self.spectrum,
          {.name = "spectrum", .help = "Decompose the weights of a model or a run's model"});
    visit.group("Spectrum", self.drawing, only_with("spectrum"));
  }
};

int run(const InspectOptions& options, CommandContext& context);

}  // namespace svtune
