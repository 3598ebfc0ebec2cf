// The public training entry over train/training_run.h.
#include "svtune/fine_tune.h"

#include <utility>

#include "api/prepare_torch.h"
#include "api/settings.h"
#include "base/errors.h"
#include "libtorch/prelude.h"
#include "svtune/memory.h"
#include "train/training_run.h"

namespace svtune {
namespace {

FieldInput json_input(const std::string& name, Json value) {
  FieldInput input;
  input.name = input.label = name;
  input.json = std::move(value);
  return input;
}

// What the struct has a member for; a default counts as not given.
std::vector<FieldInput> member_inputs(const FineTuneOptions& given) {
  std::vector<FieldInput> inputs{
      json_input("method", given.method),          json_input("model", given.model.string()),
      json_input("threads", given.threads),        json_input("data", given.data.string()),
      json_input("output", given.output.string()), json_input("resume", given.resume)};
  if (given.eval_data) inputs.push_back(json_input("eval_data", given.eval_data->string()));
  return inputs;
}

TrainOptions options_of(const FineTuneOptions& given) {
  if (given.settings.contains("dry_run")) {
    throw UsageError("settings: a fine-tuning run has no dry_run");
  }
  std::vector<FieldInput> inputs =
      setting_inputs(given.settings, "FineTuneOptions",
                     {"model", "data", "output", "method", "eval_data", "resume", "threads"});
  for (FieldInput& each : member_inputs(given)) inputs.push_back(std::move(each));
  const std::vector<FieldInput> first = TrainOptions::presets(inputs);
  // The member's default is no choice beside a recipe's.
  if (!first.empty() && given.method == FineTuneOptions{}.method) {
    std::erase_if(inputs, [](const FieldInput& each) { return each.name == "method"; });
  }
  inputs.insert(inputs.begin(), first.begin(), first.end());
  TrainOptions options;
  assign_fields([&options] { return list_fields(options); }, inputs,
                describe_fields<TrainOptions>());
  const std::vector<std::string> missing = missing_fields(list_fields(options));
  if (!missing.empty()) throw UsageError("model, data and output must be given");
  return options;
}

class Relay final : public RunObserver {
 public:
  Relay(const FineTuneObserver& on_step, FineTuneResult& result)
      : on_step_(on_step), result_(result) {}

  void warning(const std::string& text) override { result_.warnings.push_back(text); }
  void planned(const RunPlan& plan) override {
    result_.trainable_parameters = plan.start.trainable;
    result_.total_parameters = plan.start.total;
  }
  void start_checked(const StartLosses& losses) override {
    result_.base_loss = losses.base;
    result_.start_loss = losses.adapted;
  }
  void step(const StepReport& report, const std::optional<MeanLoss>& eval) override {
    if (!on_step_) return;
    FineTuneStep step{report.step,          report.total_steps, report.loss,   report.grad_norm,
                      report.learning_rate, report.tokens,      report.seconds};
    if (eval) step.eval_loss = eval->loss;
    if (!on_step_(step)) stop_ = true;
  }
  const std::atomic<bool>* stop() const override { return &stop_; }

 private:
  const FineTuneObserver& on_step_;
  FineTuneResult& result_;
  std::atomic<bool> stop_{false};
};

// A caller's process goes on without what training needed, also when it failed.
struct MemoryRelease {
  MemoryRelease() = default;
  MemoryRelease(const MemoryRelease&) = delete;
  MemoryRelease& operator=(const MemoryRelease&) = delete;
  ~MemoryRelease() { release_memory(); }
};

}  // namespace

FineTuneResult fine_tune(const FineTuneOptions& options, const FineTuneObserver& on_step) {
  const TrainOptions resolved = options_of(options);
  const ThreadChoice threads = prepare_torch(options.threads);
  const MemoryRelease release;
  FineTuneResult result;
  result.warnings = threads.warnings;
  Relay relay(on_step, result);
  TrainOutcome outcome = run_training(resolved, relay);
  result.steps = outcome.steps;
  result.total_steps = outcome.total_steps;
  result.stopped = outcome.stopped;
  result.trained = std::move(outcome.result);
  result.report = std::move(outcome.report);
  result.last_loss = outcome.last_loss;
  if (outcome.best) result.best_eval_loss = outcome.best->loss;
  result.peak_memory = outcome.peak_memory;
  return result;
}

}  // namespace svtune
