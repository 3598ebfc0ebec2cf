// A whole training run in its directory: prepare, attach, check the start, train, save, report.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "train/run_observer.h"
#include "train/run_options.h"

namespace svtune {

struct TrainOutcome {
  std::int64_t steps = 0, total_steps = 0;
  bool stopped = false;  // from outside; nothing but a checkpoint was saved
  double last_loss = 0;  // as StepReport::loss; NaN when no step was left to do
  std::optional<BestEval> best;
  std::filesystem::path result;  // the adapter, or for full fine-tuning the model
  std::filesystem::path report;
  std::uint64_t peak_memory = 0;  // bytes, of the process
};

// Throws UsageError, FileError, ModelError or RunError; a FileError of the best evaluation's
// checkpoint when the last step is saved and reported. The number of threads and the allocator are
// the caller's business.
TrainOutcome run_training(const TrainOptions& options, RunObserver& observer);

// What run_training would do, told to observer.planned() and, from a few micro-batches that are run
// for it, to observer.timed(). Writes nothing. Throws as run_training does, also when memory is
// short.
void rehearse_training(const TrainOptions& options, RunObserver& observer);

}  // namespace svtune
