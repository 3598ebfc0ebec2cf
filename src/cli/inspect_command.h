// svtune inspect: what a model, GGUF file, adapter or run consists of.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/core/command.h"
#include "cli/inspect_compare.h"
#include "cli/inspect_spectrum.h"

namespace svtune {

struct InspectOptions {
  static constexpr CommandInfo kCommand{
      .name = "inspect",
      .summary = "Show shapes, dtypes, ranks and sizes of a model, adapter or run",
      .description =
          "Takes a model directory, a .gguf file, an adapter directory, a run directory "
          "or one .safetensors or .bin file. Reads headers only.\n\n"
          "--spectrum decomposes every linear layer of a model and shows its singular values, "
          "the energy of the leading ones, the residual that PiSSA would leave, the error of "
          "4 bits, and with an adapter or a run where the update lies.\n\n"
          "--compare shows of adapters, runs or fully trained models what they did to the weights "
          "of the model PATH: the size of the update, its effective rank, where it lies among the "
          "singular directions, intruder dimensions (arXiv 2410.21228), and how far the singular "
          "values moved.",
      .examples =
          "svtune inspect model/\nsvtune inspect runs/pissa/adapter --tensors\n"
          "svtune inspect runs/pissa --spectrum --output spectrum.html\n"
          "svtune inspect model/ --compare runs/pissa --compare plain=runs/lora "
          "--output compare.html"};
  std::filesystem::path path;
  bool tensors = false;
  bool spectrum = false;
  std::vector<std::string> compare;
  SpectrumCommandOptions drawing;
  CompareCommandOptions comparison;

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
    visit(self.compare,
          {.name = "compare",
           .help = "Adapter, run or model to compare with the model PATH, as PATH or name=PATH; "
                   "repeatable",
           .value_name = "PATH",
           .separator = 0,
           .path = PathHint::kDirectory,
           .instead_of = "spectrum"});
    visit.group("Spectrum", self.drawing, only_with("spectrum") || only_with("compare"));
    visit.group("Intruder dimensions", self.comparison, only_with("compare"));
  }
};

int run(const InspectOptions& options, CommandContext& context);

}  // namespace svtune
