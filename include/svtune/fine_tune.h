// Fine-tuning: from a model and a file of examples to an adapter, in a run directory that also
// holds checkpoints, metrics and report.html.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace svtune {

struct FineTuneOptions {
  std::filesystem::path model;   // Hugging Face directory or .gguf file
  std::filesystem::path data;    // JSON lines or a JSON array, plain, .gz or .zst
  std::filesystem::path output;  // run directory to create
  // pissa, svft, lora or full. Where `settings` name a recipe, "pissa" leaves the choice to it.
  std::string method = "pissa";
  std::optional<std::filesystem::path> eval_data = {};
  bool resume = false;  // go on from the latest checkpoint in `output`, or begin without one
  // Of the whole process; 0: OMP_NUM_THREADS where it is set, else one per core it may use.
  int threads = 0;
  // Any other option of `svtune train`, as in docs/options.md but with underscores:
  // {{"rank", "8"}, {"learning_rate", "1e-4"}, {"max_memory", "4G"}}. One that does not apply is
  // refused.
  std::map<std::string, std::string> settings = {};
};

struct FineTuneStep {
  std::int64_t step = 0, total_steps = 0;  // 1 is the first
  // Before the update, mean over what is learned: in nats per supervised token, hidden token or
  // document with a class, or of squared errors where numbers are learned.
  double loss = 0;
  double grad_norm = 0;  // before clipping
  double learning_rate = 0;
  std::int64_t tokens = 0;               // of this step
  double seconds = 0;                    // of this step
  std::optional<double> eval_loss = {};  // as loss, when it was measured
};

// Called after each step; false saves a checkpoint and ends the run.
using FineTuneObserver = std::function<bool(const FineTuneStep&)>;

struct FineTuneResult {
  std::int64_t steps = 0, total_steps = 0;
  bool stopped = false;           // by the observer; `trained` does not exist then
  std::filesystem::path trained;  // adapter directory; model directory for the method full
  std::filesystem::path report;   // report.html
  std::int64_t trainable_parameters = 0, total_parameters = 0;
  // Of the untouched and of the adapted model on the same data before step 1; absent in a resumed
  // run.
  std::optional<double> base_loss, start_loss;
  double last_loss = 0;                  // of the last step; NaN when none was left to do
  std::optional<double> best_eval_loss;  // with eval_data
  std::uint64_t peak_memory = 0;         // bytes, of the process
  std::vector<std::string> warnings;
};

// Throws for options that do not exist or do not fit together, files that are missing or
// malformed, an output directory in use, too little memory, a loss that is not finite. The same
// options and seed give the same bytes.
FineTuneResult fine_tune(const FineTuneOptions& options, const FineTuneObserver& on_step = {});

}  // namespace svtune
