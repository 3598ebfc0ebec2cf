// svtune inspect --compare: what adapters did to a model's singular structure, on the terminal and
// on a page.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/core/command.h"
#include "cli/inspect_spectrum.h"

namespace svtune {

struct CompareCommandOptions {
  std::int64_t intruder_top = 10;
  double intruder_threshold = 0.5;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.intruder_top,
          {.name = "intruder_top",
           .help = "Left singular vectors of the changed weight that are looked at, from the first",
           .min = 1,
           .max = 65536});
    visit(self.intruder_threshold,
          {.name = "intruder_threshold",
           .help = "A vector is an intruder when its cosine with each of the base's is below this",
           .max = 1,
           .above = 0});
  }
};

// `base` is a model; `candidates` are adapters, runs or models of the same shapes, each as PATH or
// name=PATH. `each` lists every layer.
int inspect_compare(const std::filesystem::path& base, const std::vector<std::string>& candidates,
                    bool each, const SpectrumCommandOptions& common,
                    const CompareCommandOptions& options, CommandContext& context);

}  // namespace svtune
