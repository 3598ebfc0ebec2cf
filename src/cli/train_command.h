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
          "Reads a model and JSON lines, or texts or images with labels, trains, and leaves a run "
          "directory with the adapter (PEFT's files), metrics, TensorBoard events, checkpoints and "
          "report.html. Without target options all linear layers but the head are adapted.\n\n"
          "Ctrl-C, SIGTERM and SIGHUP (a lost connection) finish the step, save a checkpoint, "
          "print the command that goes on, and exit with 130, 143 and 129. --recipe takes the "
          "options of a paper's experiment, and the report shows its figures. With --resume one "
          "command line serves a job that is restarted whatever happened before. "
          "--config RUN/config.json repeats a run to the same bytes.",
      .examples =
          "svtune train --model model/ --data train.jsonl --output runs/pissa\n"
          "svtune train --task classify --model bert/ --data train.tsv --eval-data dev.tsv "
          "--output runs/rte\n"
          "svtune train --task classify --model vit/ --data pets/ --shots 10 --output runs/pets\n"
          "svtune train --task tag --model bert/ --data train.conll --eval-data dev.conll "
          "--output runs/ner\n"
          "svtune train --task mask --model bert/ --data texts.jsonl --long split "
          "--output runs/domain\n"
          "svtune train --config runs/pissa/config.json --output runs/again\n"
          "svtune train --config runs/pissa/config.json --resume"};
};

int run(const TrainCommandOptions& options, CommandContext& context);

}  // namespace svtune
