// Steps that several commands share: a model and its adapter as their options ask.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "adapter_files/loaded_model.h"
#include "api/thread_count.h"
#include "cli/core/command.h"
#include "io/model_options.h"

namespace svtune {

inline constexpr FieldSpec kOutputDirectoryField{.name = "output",
                                                 .help = "Directory to create",
                                                 .value_name = "DIR",
                                                 .required = true,
                                                 .path = PathHint::kDirectory};

// A model with any number of adapters, for the commands that answer with it.
struct ServedModelOptions {
  std::filesystem::path model;
  std::vector<std::string> adapters;
  ComputeDtype dtype = ComputeDtype::kAuto;
  std::int64_t threads = 0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.model, kModelField);
    visit(self.adapters,
          {.name = "adapter",
           .help = "Adapter directory, svtune's or PEFT's; several as name=DIR, the option "
                   "repeated: rows then say in their field \"adapter\" which one they mean "
                   "(without it the first, null: the model alone, where they have no heads)",
           .value_name = "DIR",
           .separator = 0,
           .path = PathHint::kDirectory});
    visit(self.dtype, {.name = "dtype", .help = "Arithmetic of the model"});
    visit(self.threads, kThreadsField);
  }
};

// The prompt template that the options or the training name; warns when the two differ.
PromptTemplate prompt_for_command(const LoadedModel& loaded, const PromptOptions& options,
                                  const Tokenizer& tokenizer, CommandContext& context);

// prepare_torch(), with what it warns of told.
ThreadChoice prepare_threads(std::int64_t threads, CommandContext& context);

// Sets the thread count, loads, tells the loader's warnings.
LoadedModel load_for_command(const ModelOptions& options, CommandContext& context);
// The same to look at the weights: without an adapter, an encoder or an image model that has no
// head is loaded with `head` (Model::is_made).
LoadedModel load_for_weights(const ModelOptions& options, const NewHead& head,
                             CommandContext& context);
// The same; adapters that have names, or are several, are those of load_with_adapters().
LoadedModel load_for_command(const ServedModelOptions& options, CommandContext& context);

}  // namespace svtune
