// Steps that several commands share: a model and its adapter as their options ask.
#pragma once

#include <filesystem>
#include <optional>

#include "io/model.h"
#include "io/model_options.h"
#include "peft/adapter_file.h"

namespace svtune {

// What is taken from and written to by the commands that turn an adapter into something else.
struct AdapterConversion {
  std::filesystem::path model, adapter, output;

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
  }

  ModelOptions input() const {
    ModelOptions options;
    options.model = model;
    options.adapter = adapter;
    return options;
  }
};

// A model with its adapter attached, if one was asked for.
struct LoadedModel {
  Model model;
  std::optional<LoadedAdapter> adapter;
};

// Sets the thread count, loads, prints the loader's warnings to standard error.
LoadedModel load_for_command(const ModelOptions& options);

}  // namespace svtune
