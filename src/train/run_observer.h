// What a training run tells whoever watches it, in the order of these functions. The library
// itself prints nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "attach/attach.h"
#include "eval/perplexity.h"
#include "train/checkpoint.h"
#include "train/memory.h"
#include "train/train.h"

namespace svtune {

// A run before its first step.
struct RunPlan {
  StartReport start;
  MemoryForecast memory;
  std::int64_t total_steps = 0;
  double tokens_per_step = 0;  // on average
  std::string arithmetic;      // of the weights and the products, and why; one line
  std::string recompute;       // what --max-memory made of the blocks; one line, empty without it
};

// Mean losses, as StepReport::loss, on the same documents.
struct StartLosses {
  double base = 0;
  double adapted = 0;
  std::string method;
  bool quantized = false;  // the adapted model stands on a quantised base
};

// Mean losses of the adapted model on the same documents, and layers that differ.
struct Int8Losses {
  double exact = 0;
  double int8 = 0;
  std::int64_t layers = 0;
};

enum class RunPhase { kData, kQuantize, kCalibrate, kInitialise, kSamples };

class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void warning(const std::string& text) { (void)text; }
  // A fact about what is written, one line.
  virtual void note(const std::string& text) { (void)text; }
  // Parts of a phase, records, layers, batches or answers; never from two threads at once.
  virtual void progress(RunPhase phase, std::int64_t done, std::int64_t total) {
    (void)phase;
    (void)done;
    (void)total;
  }
  virtual void planned(const RunPlan& plan) { (void)plan; }
  // Of a rehearsal only: what all steps will take, and one of them.
  virtual void timed(double seconds, double seconds_per_step) {
    (void)seconds;
    (void)seconds_per_step;
  }
  // Not called when a run goes on from a checkpoint.
  virtual void start_checked(const StartLosses& losses) { (void)losses; }
  // What --base-compute int8 costs, after the above; nor is this called then.
  virtual void int8_checked(const Int8Losses& losses) { (void)losses; }
  virtual void resumed(std::int64_t step) { (void)step; }
  // There was nothing to go on from: a run was to be resumed and begins.
  virtual void begins_instead() {}
  // An error ends the run; a checkpoint of the last whole step was written before.
  virtual void rescued(std::int64_t step) { (void)step; }
  virtual void step(const StepReport& report, const std::optional<MeanLoss>& eval) {
    (void)report;
    (void)eval;
  }
  // `best` is set for a state of the best evaluation that is not the last one.
  virtual void saved(const std::filesystem::path& path, const std::optional<BestEval>& best) {
    (void)path;
    (void)best;
  }
  // Set from outside to end the run after the current step; may be null.
  virtual const std::atomic<bool>* stop() const { return nullptr; }
};

}  // namespace svtune
