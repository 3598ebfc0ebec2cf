// What a run leaves: the adapter or the model of its last state and of its best one.
#pragma once

#include <filesystem>
#include <optional>

#include "base/errors.h"
#include "eval/label_meter.h"
#include "report/run_files.h"
#include "train/checkpoint.h"
#include "train/run_observer.h"
#include "train/train.h"
#include "train/train_session.h"

namespace svtune {

struct Trained {
  TrainResult result;
  std::optional<BestEval> best;
  std::optional<LabelMeter> predictions;  // of the last evaluation of labels
  bool keeps_best = false;                // the result is the state of `best`
  std::optional<FileError> damage;        // of its checkpoint
};

// Throws FileError for what stands in the place of a result or of the report in a run's directory:
// before the steps that it would cost.
void require_result_places(const std::filesystem::path& run);

// Writes the last state and, where an evaluation before it was better, that one beside it; with
// --keep-best the best one alone. `files` get what the report shows of it: facts, answers, classes.
// Returns the result's path, and sets `keeps_best` and `damage`. Throws FileError when it cannot
// write.
std::filesystem::path save_results(TrainSession& session, const Attached& attached,
                                   Trained& trained, RunFiles& files, RunObserver& observer);

// Throws FileError when the best evaluation's checkpoint could not be read: called when all that
// could be saved is.
void require_best_state(const TrainSession& session, const Trained& trained,
                        const std::filesystem::path& result);

}  // namespace svtune
