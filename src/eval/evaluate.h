// An evaluation as `svtune eval` and the library ask for it: a task on a file of examples.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "adapter_files/loaded_model.h"
#include "data/prompt_template.h"
#include "eval/tasks.h"
#include "text/tokenizer.h"

namespace svtune {

// Where a task is chosen whose examples are prompts with answers.
FieldCondition with_prompted_task();

struct EvalOptions {
  EvalTask task;
  std::filesystem::path data;
  DataOptions reading;
  PromptOptions prompt;
  std::int64_t limit = 0;
  std::int64_t batch_size = 32;
  // Of several, for examples that name none; as Batch::adapters. Not an option: on the command line
  // it is the first.
  std::int32_t adapter = 0;
  std::vector<std::string> given = {};  // no field: names of options that a command line has

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit.choice(self.task, {.name = "task", .help = "What to measure"});
    visit(self.data, {.name = "data",
                      .help = "Data in any training format; of images also a folder",
                      .value_name = "FILE",
                      .required = true,
                      .path = PathHint::kFile});
    visit.group("", self.reading);
    visit(self.limit, {.name = "limit",
                       .help = "Only the first N examples; 0 = all",
                       .unit = "examples",
                       .min = 0});
    visit(self.batch_size, {.name = "batch_size",
                            .help = "Examples computed at a time",
                            .unit = "examples",
                            .min = 1,
                            .max = 4096});
    visit.group("Prompt", self.prompt, with_prompted_task());
  }
};

// Measures the model on the data. `tokenizer` is null for a model that reads images. Throws what
// reading the data and the task throw: FileError, UsageError, RunError.
Score evaluate(LoadedModel& loaded, const Tokenizer* tokenizer, const EvalOptions& options,
               EvalObserver& observer);

// The tokenizer that evaluate() takes: nullopt for a model that reads images. Throws FileError.
std::optional<Tokenizer> tokenizer_for(const LoadedModel& loaded);

}  // namespace svtune
