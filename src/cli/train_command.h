// svtune train: fine-tune a model, or show what that would take.
#pragma once

#include "cli/core/command.h"
#include "train/run_options.h"

namespace svtune {

struct TrainCommandOptions : TrainOptions {
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
};

int run(const TrainCommandOptions& options, CommandContext& context);

}  // namespace svtune
