// What merge and export take: a model, and one adapter or a mix of several.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/shared_steps.h"
#include "export/mix.h"

namespace svtune {

struct AdapterConversion {
  std::filesystem::path model, output;
  std::vector<std::string> adapters;
  std::map<std::string, double> weights;
  MixConfig mix;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.model, kModelField);
    visit(self.adapters, {.name = "adapter",
                          .help = "Adapter directory; several as name=DIR, the option repeated",
                          .value_name = "DIR",
                          .separator = 0,
                          .required = true,
                          .path = PathHint::kDirectory});
    visit(self.output, kOutputDirectoryField);
    visit.group("Several adapters", self.mix);
    visit(self.weights, {.name = "weight",
                         .help = "Weights of adapters by name, e.g. sums=0.7 (default: 1 each)"});
  }
};

// The model, and on it the adapter or the mix.
struct ConversionInput {
  LoadedModel loaded;
  std::vector<std::unique_ptr<LoadedModel>> parts;  // that a mix is made of
};

// Throws UsageError for a weight of no adapter, and what loading and mixing throw. Tells warnings.
ConversionInput load_conversion(const AdapterConversion& options, CommandContext& context);

}  // namespace svtune
