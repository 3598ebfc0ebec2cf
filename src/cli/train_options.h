// Options of svtune train: model, data, method, training, run directory.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "adapters/methods.h"
#include "cli/core/command.h"
#include "cli/model_options.h"
#include "data/example_store.h"
#include "data/prompt_template.h"
#include "peft/quantize_model.h"
#include "peft/target_modules.h"
#include "train/train_config.h"

namespace svtune {

struct BaseModelOptions {
  std::filesystem::path model;
  std::optional<std::filesystem::path> adapter;
  ComputeDtype dtype = ComputeDtype::kAuto;
  std::optional<QuantType> base_dtype;
  std::int64_t threads = 0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.model, {.name = "model",
                       .help = "Hugging Face model directory or .gguf file",
                       .value_name = "PATH",
                       .required = true});
    visit(self.adapter, {.name = "adapter",
                         .help = "Saved adapter to go on from, with its method and targets, "
                                 "instead of a new one",
                         .value_name = "DIR",
                         .path = PathHint::kDirectory});
    visit(self.dtype, {.name = "dtype", .help = "Arithmetic, and storage of the frozen base"});
    visit(self.base_dtype, {.name = "base_dtype",
                            .help = "Quantise the frozen matrices: plainly (QLoRA), as QPiSSA "
                                    "with --method pissa, as LoftQ with --init loftq"});
    visit(self.threads, {.name = "threads",
                         .help = "Threads for computing; 0 = one per available core",
                         .unit = "threads",
                         .min = 0,
                         .max = 4096});
  }
};

struct DataFileOptions {
  std::filesystem::path data;
  std::optional<std::filesystem::path> eval_data;
  DataOptions reading;
  PromptOptions prompt;
  bool train_on_prompt = false;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.data, {.name = "data",
                      .help = "Training data: JSON lines or a JSON array, plain, .gz, .zst or -",
                      .value_name = "FILE",
                      .required = true,
                      .path = PathHint::kFile});
    visit(self.eval_data, {.name = "eval_data",
                           .help = "Held-out data for the evaluation loss",
                           .value_name = "FILE",
                           .path = PathHint::kFile});
    visit.group("", self.reading);
    visit.group("Data", self.prompt);
    visit(self.train_on_prompt,
          {.name = "train_on_prompt", .help = "Learn the prompt as well as the answer"});
  }
};

struct RunOptions {
  std::filesystem::path output;
  bool resume = false;
  bool dry_run = false;
  std::int64_t samples = 2;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.output, {.name = "output",
                        .help = "Run directory to create",
                        .value_name = "DIR",
                        .required = true,
                        .path = PathHint::kDirectory});
    visit(self.resume, {.name = "resume", .help = "Go on from the run's latest checkpoint"});
    visit(self.dry_run, {.name = "dry_run",
                         .help = "Show adapted layers, memory and tokens a step; do not train"});
    visit(self.samples, {.name = "samples",
                         .help = "Answers in the report, before and after training",
                         .unit = "answers",
                         .min = 0,
                         .max = 100});
  }
};

struct TrainOptions {
  static constexpr CommandInfo kCommand{
      .name = "train",
      .summary = "Fine-tune a model with PiSSA, SVFT, LoRA or in full",
      .description =
          "Reads a model and JSON lines, trains, and leaves a run directory with the adapter "
          "(PEFT's files), metrics, TensorBoard events, checkpoints and report.html. Without "
          "target options all linear layers but the head are adapted.\n\n"
          "Ctrl-C finishes the step, saves and prints the command that goes on. "
          "--config RUN/config.json repeats a run to the same bytes.",
      .examples =
          "svtune train --model model/ --data train.jsonl --output runs/pissa\n"
          "svtune train --config runs/pissa/config.json --output runs/again\n"
          "svtune train --config runs/pissa/config.json --resume"};
  BaseModelOptions model;
  QuantTuning tuning;  // of model.base_dtype
  DataFileOptions data;
  MethodConfig method;
  TargetOptions targets;
  TrainConfig train;
  RunOptions run;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit.group("Model", self.model);
    visit.group("Quantised base", self.tuning);
    visit.group("Data", self.data);
    visit.choice(self.method, {.name = "method", .help = "What trains"});
    visit.group("Targets", self.targets);
    visit.group("Training", self.train);
    visit.group("Run", self.run);
  }
};

int run(const TrainOptions& options, CommandContext& context);

}  // namespace svtune
