// Steps that several commands share: a model and its adapter as their options ask.
#pragma once

#include <filesystem>
#include <optional>

#include "adapter_files/loaded_model.h"
#include "cli/core/command.h"
#include "io/model_options.h"

namespace svtune {

inline constexpr FieldSpec kOutputDirectoryField{.name = "output",
                                                 .help = "Directory to create",
                                                 .value_name = "DIR",
                                                 .required = true,
                                                 .path = PathHint::kDirectory};

// What is taken from and written to by the commands that turn an adapter into something else.
struct AdapterConversion {
  std::filesystem::path model, adapter, output;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.model, kModelField);
    visit(self.adapter, {.name = "adapter",
                         .help = "Adapter directory",
                         .value_name = "DIR",
                         .required = true,
                         .path = PathHint::kDirectory});
    visit(self.output, kOutputDirectoryField);
  }

  ModelOptions input() const {
    ModelOptions options;
    options.model = model;
    options.adapter = adapter;
    return options;
  }
};

// The prompt template that the options or the training name; warns when the two differ.
PromptTemplate prompt_for_command(const LoadedModel& loaded, const PromptOptions& options,
                                  const Tokenizer& tokenizer, CommandContext& context);

// Sets the thread count, loads, tells the loader's warnings.
LoadedModel load_for_command(const ModelOptions& options, CommandContext& context);

}  // namespace svtune
