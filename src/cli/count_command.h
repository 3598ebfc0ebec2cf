// svtune count: what a method would train of a model, from its configuration alone.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/core/command.h"
#include "train/run_options.h"

namespace svtune {

struct CountCommandOptions {
  static constexpr CommandInfo kCommand{
      .name = "count",
      .summary = "Count what a method would train, from config.json alone",
      .description =
          "Reads a model's config.json, or a directory that holds one, and no weights: shows the "
          "layers that the targets choose, the parameters that would train, and the memory that "
          "training would take. The numbers are those of svtune train, where layers in front of a "
          "head's output train as well if the weights lack them; --dry-run there also measures the "
          "time of a step, on the model itself and the data.",
      .examples =
          "svtune count --model config.json --method pissa --rank 128\n"
          "svtune count --model model/ --method svft --pattern plain\n"
          "svtune count --model model/ --method lora --base-dtype nf4 --batch-tokens 8192\n"
          "svtune count --model bert/ --task classify --labels no,yes --method lora "
          "--model-dropout off"};

  std::filesystem::path model;
  ComputeDtype dtype = ComputeDtype::kAuto;
  std::optional<QuantType> base_dtype;
  BlockTuning tuning;  // of base_dtype
  BaseCompute base_compute = BaseCompute::kExact;
  TrainTask task = TrainTask::kLanguage;
  std::vector<std::string> labels;  // of kClassify and kTag
  MethodConfig method;
  TargetOptions targets;
  std::int64_t batch_tokens = 2048;
  std::int64_t max_length = 512;
  ActivationOptions activations;
  std::string model_dropout = "config";

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.model, {.name = "model",
                       .help = "config.json, or a model directory; its weights are not read",
                       .value_name = "PATH",
                       .required = true});
    visit(self.dtype, {.name = "dtype", .help = "Arithmetic of the model"});
    visit(self.base_dtype,
          {.name = "base_dtype", .help = "Quantise the frozen matrices, as svtune train does"});
    visit.group("Quantised base", self.tuning, only_with("base_dtype", "nf4|fp4"));
    visit(self.base_compute,
          {.name = "base_compute",
           .help = "Products with the frozen matrices of all layers but the head"});
    visit(self.task, {.name = "task",
                      .help = "What is learned: for labels a head of their own is counted, for "
                              "language the head that the configuration names"});
    visit(self.labels, {.name = "labels",
                        .help = "Classes; by default those of the configuration's id2label",
                        .value_name = "NAME,...",
                        .when = only_with("task", "classify|tag")});
    visit.choice(self.method, {.name = "method", .help = "What trains"});
    visit.group("Targets", self.targets);
    visit(self.batch_tokens, {.name = "batch_tokens",
                              .help = "Size of a micro-batch, for the memory",
                              .unit = "tokens",
                              .min = 2,
                              .max = 1 << 28});
    visit(self.max_length, {.name = "max_length",
                            .help = "Longest example in it",
                            .unit = "tokens",
                            .min = 2,
                            .max = 1 << 24});
    visit.group("", self.activations);
    visit_model_dropout(self.model_dropout, visit);
  }
};

int run(const CountCommandOptions& options, CommandContext& context);

}  // namespace svtune
