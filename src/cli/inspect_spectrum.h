// svtune inspect --spectrum: the weights' singular values on the terminal and on a page.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "cli/core/command.h"
#include "io/model_options.h"

namespace svtune {

struct SpectrumCommandOptions {
  std::optional<std::filesystem::path> adapter, output;
  std::optional<std::int64_t> rank;
  std::int64_t threads = 0;
  bool svd_cache = true;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.adapter, {.name = "adapter",
                         .help = "Adapter whose update is shown; of a run, its own",
                         .value_name = "DIR",
                         .path = PathHint::kDirectory,
                         .when = only_with("spectrum")});
    visit(self.rank, {.name = "rank",
                      .help = "Size of the leading part; of a run its rank, else 16",
                      .min = 1,
                      .max = 65536});
    visit(self.output, {.name = "output",
                        .help = "HTML file to write beside the table",
                        .value_name = "FILE",
                        .path = PathHint::kFile});
    visit(self.threads, kThreadsField);
    visit(self.svd_cache,
          {.name = "svd_cache",
           .help = "Keep decompositions on disk and read them again (svtune cache list)"});
  }
};

// `path` is a model directory, a .gguf file or a run directory. `each` lists every layer.
int inspect_spectrum(const std::filesystem::path& path, bool each,
                     const SpectrumCommandOptions& options, CommandContext& context);

// Eight levels of "▁▂▃▄▅▆▇█", one character a value; blank where a value is not finite.
std::string sparkline(const std::vector<double>& values);

}  // namespace svtune
