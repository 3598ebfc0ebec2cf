// What a whole training run is asked for: model, data, method, training, run directory.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "adapters/methods.h"
#include "attach/target_modules.h"
#include "data/example_store.h"
#include "data/image_options.h"
#include "data/labelled_options.h"
#include "data/labelled_sample.h"
#include "data/prompt_template.h"
#include "data/token_masks.h"
#include "io/model_options.h"
#include "quantized_base/quantize_model.h"
#include "train/recipes/recipe.h"
#include "train/train_config.h"

namespace svtune {

// In what the products with the frozen matrices are computed.
enum class BaseCompute { kExact, kInt8, kInt8Columns };
inline constexpr EnumName<BaseCompute> kBaseComputeNames[] = {
    {BaseCompute::kExact, "exact", "in the arithmetic of the model"},
    {BaseCompute::kInt8, "int8",
     "integer products: matrices rounded to 8 bits, their inputs to 15 and gradients to 8"},
    {BaseCompute::kInt8Columns, "int8-columns",
     "the same with the 32 largest columns of an input exact and the others rounded to 8 bits"},
};
constexpr std::span<const EnumName<BaseCompute>> enum_names(BaseCompute) {
  return kBaseComputeNames;
}

struct TrainModelOptions : ModelOptions {
  static constexpr const char* kAdapterHelp =
      "Saved adapter to go on from, with its method and targets, instead of a new one";
  std::optional<QuantType> base_dtype;
  BaseCompute base_compute = BaseCompute::kExact;
  bool resize_embeddings = false;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    ModelOptions::fields(self, visit);
    visit(self.base_dtype, {.name = "base_dtype",
                            .help = "Quantise the frozen matrices: plainly (QLoRA), as QPiSSA "
                                    "with --method pissa, as LoftQ with --init loftq",
                            .when = not_with("adapter")});
    visit(self.base_compute,
          {.name = "base_compute",
           .help = "Products with the frozen matrices of all layers but the head; int8 is faster "
                   "where the processor has no fast bf16, and the run stops where it changes the "
                   "loss before step 1 by more than half a percent"});
    visit(self.resize_embeddings,
          {.name = "resize_embeddings",
           .help = "Where the tokenizer has more tokens than the embedding rows, add these to it "
                   "and to the head; they start as the mean of the others and train",
           .when = not_with("adapter")});
  }
};

struct DataFileOptions {
  static constexpr FieldCondition kLanguage = only_with("task", "language");
  static constexpr FieldCondition kLabels = only_with("task", "classify|regress|tag");
  static constexpr FieldCondition kWholeLabels = only_with("task", "classify|regress");

  std::filesystem::path data;
  std::optional<std::filesystem::path> eval_data;
  TrainTask task = TrainTask::kLanguage;
  LabelledOptions labelled;  // of kClassify, kRegress and kTag
  ImageOptions images;       // of the first two, where the model reads images
  std::optional<std::int64_t> image_size;
  std::vector<std::string> labels;  // of kClassify and kTag
  SampleOptions sample;             // of kClassify
  double eval_share = 0;
  MaskOptions masks;  // of kMask
  DataOptions reading;
  PromptOptions prompt;
  bool train_on_prompt = false, mask_history = false;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.data, {.name = "data",
                      .help = "Training data: JSON lines or a JSON array, plain, .gz, .zst or -; "
                              "of images a folder of folders, one for each class, a table with "
                              "paths or an IDX file",
                      .value_name = "FILE",
                      .required = true,
                      .path = PathHint::kFile});
    visit(self.task, {.name = "task", .help = "What is learned from the data"});
    visit(self.eval_data, {.name = "eval_data",
                           .help = "Held-out data for the evaluation loss",
                           .value_name = "FILE",
                           .path = PathHint::kFile});
    visit(self.eval_share,
          {.name = "eval_share",
           .help = "Share of the records, chosen by the seed, that is held out for evaluation",
           .min = 0,
           .max = 0.9,
           .when = kLabels && not_with("eval_data")});
    visit.group("Labels", self.labelled, kLabels);
    visit.group("Labels", self.sample, only_with("task", "classify"));
    visit.group("Images", self.images, kWholeLabels);
    visit(self.image_size,
          {.name = "image_size",
           .help = "Side of the prepared images, in place of preprocessor_config.json's",
           .unit = "pixels",
           .min = 1,
           .max = 1 << 14,
           .when = kWholeLabels});
    visit(self.labels, {.name = "labels",
                        .help = "Classes in the order of their ids, or data for those of the data, "
                                "sorted; by default those of the model's id2label, else of the "
                                "data. Of another number than the model's head has outputs: with a "
                                "new head",
                        .value_name = "NAME,...",
                        .when = only_with("task", "classify|tag")});
    visit.group("Data", self.masks, only_with("task", "mask"));
    visit.group("", self.reading);
    visit.group("Data", self.prompt, kLanguage);
    visit(self.train_on_prompt, {.name = "train_on_prompt",
                                 .help = "Learn the prompt as well as the answer",
                                 .when = kLanguage});
    visit(self.mask_history,
          {.name = "mask_history",
           .help = "Learn only the last of the assistant's turns in a conversation",
           .when = kLanguage});
  }
};

struct RunOptions {
  // Exact decompositions of the untouched weights are kept.
  static FieldCondition decomposes() {
    const FieldCondition method = decomposing_methods();
    return (method || kDecomposingStarts || only_with("adapter")) &&
           (method || not_with("base_dtype"));
  }

  std::filesystem::path output;
  bool resume = false;
  bool dry_run = false;
  std::int64_t samples = 2;
  bool svd_cache = true;
  double calibration_memory = 2;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.output, {.name = "output",
                        .help = "Run directory to create",
                        .value_name = "DIR",
                        .required = true,
                        .path = PathHint::kDirectory});
    visit(self.resume,
          {.name = "resume",
           .help = "Go on from the run's latest checkpoint; begin the run where there is none",
           .when = not_with("dry_run")});
    visit(self.dry_run,
          {.name = "dry_run",
           .help = "Only show adapted layers, memory, tokens a step and the time it takes"});
    visit(self.samples, {.name = "samples",
                         .help = "Answers in the report, before and after training",
                         .unit = "answers",
                         .min = 0,
                         .max = 100,
                         .when = only_with("task", "language")});
    visit(self.svd_cache,
          {.name = "svd_cache",
           .help = "Keep decompositions on disk and read them again (svtune cache list)",
           .when = decomposes()});
    visit(self.calibration_memory,
          {.name = "calibration_memory",
           .help = "Memory for what the pass over data sums; with less the data pass more often",
           .unit = "GiB",
           .above = 0,
           .when = kStartsFromData});
  }
};

struct TrainOptions {
  std::string recipe;  // of train/recipes/; its options are those below already
  TrainModelOptions model;
  QuantTuning tuning;  // of model.base_dtype
  DataFileOptions data;
  MethodConfig method;
  TargetOptions targets;
  TrainConfig train;
  RunOptions run;
  std::vector<std::string> given;  // no field: names of options that a command line has

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.recipe, {.name = "recipe",
                        .help = "Take the options of a paper's experiment (svtune recipes lists "
                                "them); what is given beside it comes first",
                        .value_name = "NAME"});
    visit.group("Model", self.model);
    visit.group("Quantised base", static_cast<BlockTuning&>(self.tuning),
                only_with("base_dtype", "nf4|fp4"));
    visit.group("Quantised base", static_cast<RoundTuning&>(self.tuning),
                only_with("base_dtype") && kStartsInRounds);
    visit.group("Data", self.data);
    visit.choice(self.method,
                 {.name = "method", .help = "What trains", .when = not_with("adapter")});
    visit.group("Targets", self.targets, not_with("adapter"));
    visit.group("Training", self.train);
    visit.group("Run", self.run);
  }

  static constexpr auto presets = &recipe_inputs;  // see cli/core/command.h
};

}  // namespace svtune
