// What a training run is asked to do, beyond model, data files and method. Defaults follow
// the recipe of the PiSSA paper (2404.02948, appendix): AdamW at 2e-5 with cosine decay,
// 3 % warm-up, no weight decay, one epoch, 128 sequences of at most 512 tokens a step.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "base/fields.h"
#include "data/encode.h"
#include "models/network.h"
#include "train/optimizer.h"
#include "train/schedule.h"

namespace svtune {

// What is computed again in backward (models/backbone.h): no block, or all of them.
enum class Recompute { kNone, kFull };
inline constexpr EnumName<Recompute> kRecomputeNames[] = {
    {Recompute::kNone, "none", "keep what backward needs: fastest"},
    {Recompute::kFull, "full", "keep block inputs, run blocks twice: least memory"},
};
constexpr std::span<const EnumName<Recompute>> enum_names(Recompute) { return kRecomputeNames; }

enum class TrainTask { kLanguage, kClassify, kRegress, kTag, kMask };
inline constexpr EnumName<TrainTask> kTrainTaskNames[] = {
    {TrainTask::kLanguage, "language", "the words of answers and texts"},
    {TrainTask::kClassify, "classify", "a class of each text, pair or image"},
    {TrainTask::kRegress, "regress", "a number for each text, pair or image"},
    {TrainTask::kTag, "tag", "a class of each word of a text, with an encoder"},
    {TrainTask::kMask, "mask", "hidden words of texts, with an encoder"},
};
constexpr std::span<const EnumName<TrainTask>> enum_names(TrainTask) { return kTrainTaskNames; }
// Else words.
constexpr bool learns_labels(TrainTask task) {
  return task == TrainTask::kClassify || task == TrainTask::kRegress || task == TrainTask::kTag;
}

// What the best evaluation is told by: the lowest loss, the highest of the others.
enum class KeptMetric { kLoss, kAccuracy, kF1, kMatthews, kPearson, kSpearman };
inline constexpr EnumName<KeptMetric> kKeptMetricNames[] = {
    {KeptMetric::kLoss, "loss", "lowest loss"},
    {KeptMetric::kAccuracy, "accuracy", "share of right classes"},
    {KeptMetric::kF1, "f1",
     "F1 of class 1 of two, else its mean over the classes; of words that of spans (B-X, I-X, O)"},
    {KeptMetric::kMatthews, "matthews", "Matthews's correlation of classes"},
    {KeptMetric::kPearson, "pearson", "Pearson's correlation of numbers"},
    {KeptMetric::kSpearman, "spearman", "correlation of their ranks"},
};
constexpr std::span<const EnumName<KeptMetric>> enum_names(KeptMetric) { return kKeptMetricNames; }

// How much of the forward pass backward finds kept.
struct ActivationOptions {
  Recompute recompute = Recompute::kNone;
  std::optional<std::int64_t> recompute_blocks;
  std::optional<std::int64_t> max_memory;  // bytes; a run makes recompute_blocks of it

  // What is asked for, max_memory aside.
  RecomputePlan plan() const;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.recompute, {.name = "recompute", .help = "What is computed again in backward"});
    visit(self.recompute_blocks,
          {.name = "recompute_blocks",
           .help = "The first so many blocks, at most all, are computed again in backward",
           .unit = "blocks",
           .min = 1,
           .max = 1 << 20,
           .instead_of = "recompute"});
    visit(self.max_memory,
          {.name = "max_memory",
           .help = "Largest size of the process: no more blocks are computed again than it asks "
                   "for; 4G is 4 GiB",
           .unit = "bytes",
           .value_name = "SIZE",
           .min = 1 << 20,
           .instead_of = "recompute_blocks",
           .is_size = true});
  }
};

// How the data are cut into micro-batches.
struct BatchConfig {
  std::int64_t max_length = 512;
  std::int64_t batch_size = 4;
  std::optional<std::int64_t> batch_tokens;
  std::int64_t gradient_accumulation = 32;
  bool packing = true;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit_max_length(self.max_length, visit);
    visit(self.batch_size, {.name = "batch_size",
                            .help = "Sequences of a micro-batch",
                            .unit = "sequences",
                            .min = 1,
                            .max = 1 << 20});
    visit(self.batch_tokens, {.name = "batch_tokens",
                              .help = "Size of a micro-batch",
                              .unit = "tokens",
                              .min = 2,
                              .max = 1 << 28,
                              .when = only_with("packing"),
                              .instead_of = "batch_size"});
    visit(self.gradient_accumulation, {.name = "gradient_accumulation",
                                       .help = "Micro-batches of one optimiser step",
                                       .unit = "micro-batches",
                                       .min = 1,
                                       .max = 1 << 20});
    visit(self.packing,
          {.name = "packing",
           .help = "Run the sequences of a micro-batch as one row without padding, instead of "
                   "one after another"});
  }
};

// The rates that `asked`, a value of --model-dropout, makes of the model's own. Throws UsageError
// for other texts than config, off and a number in [0, 1).
DropoutRates chosen_dropout(const std::string& asked, const DropoutRates& own);

// The option --model-dropout.
template <class Text, class Visitor>
void visit_model_dropout(Text& value, Visitor& visit) {
  visit(value,
        {.name = "model_dropout",
         .help = "Dropout of the model itself while it trains: config for the rates of its "
                 "config.json, off, or one rate for every place where the family has dropout; "
                 "whole branches are dropped only where config.json drops some",
         .value_name = "RATE"});
}

struct TrainConfig {
  std::int64_t epochs = 1;
  std::optional<std::int64_t> max_steps;
  std::uint64_t seed = 42;
  BatchConfig batch;
  ScheduleConfig schedule;
  OptimizerConfig optimizer;
  ActivationOptions activations;
  std::string model_dropout = "config";
  std::int64_t eval_every = 0;
  std::int64_t save_every = 0;
  double save_minutes = 10;
  std::int64_t keep_checkpoints = 2;
  bool eval_each_epoch = false;
  std::optional<KeptMetric> keep_best;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.epochs, {.name = "epochs",
                        .help = "Passes over the training data",
                        .unit = "epochs",
                        .min = 1,
                        .max = 1 << 20});
    visit(self.max_steps, {.name = "max_steps",
                           .help = "Length of the run",
                           .unit = "optimiser steps",
                           .min = 1,
                           .instead_of = "epochs"});
    visit(self.seed,
          {.name = "seed", .help = "Every random choice of the run follows from it", .min = 0});
    visit.group("Batches", self.batch);
    visit.group("Learning rate", self.schedule);
    visit.group("Optimiser", self.optimizer);
    visit.group("", self.activations);
    visit_model_dropout(self.model_dropout, visit);
    visit(self.eval_every,
          {.name = "eval_every",
           .help = "Evaluate every N steps; 0 = at the end only",
           .unit = "optimiser steps",
           .min = 0,
           .when = only_with("eval_data") || only_with("eval_share") || only_with("eval_shots")});
    visit(self.save_every, {.name = "save_every",
                            .help = "Write a checkpoint every N steps; 0 = by --save-minutes",
                            .unit = "optimiser steps",
                            .min = 0});
    visit(self.save_minutes,
          {.name = "save_minutes",
           .help = "Write a checkpoint after the first step that ends so long after the last "
                   "one; 0 = by --save-every and at the end only",
           .unit = "minutes",
           .min = 0});
    visit(self.keep_checkpoints,
          {.name = "keep_checkpoints",
           .help = "Latest checkpoints to keep, beside the best one by evaluation; with two, "
                   "damage to the latest costs only that one",
           .unit = "checkpoints",
           .min = 1,
           .max = 1 << 20});
    visit(self.eval_each_epoch,
          {.name = "eval_each_epoch",
           .help = "Evaluate also after the step that ends a pass over the data"});
    visit(self.keep_best,
          {.name = "keep_best",
           .help = "The result is the state of the best evaluation, instead of the last one",
           .value_name = "METRIC"});
  }
};

// Optimiser steps of the run (>= 1), which has so many micro-batches in all its epochs. Steps do
// not stop at the end of an epoch; the last one may hold fewer micro-batches.
std::int64_t total_steps(const TrainConfig& config, std::int64_t batches);

}  // namespace svtune
