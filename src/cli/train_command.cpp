// Shows on the terminal what a training run tells.
#include "cli/train_command.h"

#include <cmath>
#include <optional>

#include "adapter_files/adapter_file.h"
#include "adapter_files/peft_directory.h"
#include "base/number_text.h"
#include "base/text_util.h"
#include "cli/core/interrupt.h"
#include "cli/core/progress.h"
#include "cli/shared_steps.h"
#include "cli/start_lines.h"
#include "libtorch/prelude.h"
#include "train/int8_base.h"
#include "train/quantize_plan.h"
#include "train/training_run.h"

namespace svtune {
namespace {

const char* unit_of(RunPhase phase) {
  if (phase == RunPhase::kData) return "record";
  if (phase == RunPhase::kCalibrate) return "batch";
  return phase == RunPhase::kSamples ? "answer" : "layer";
}

const char* label_of(RunPhase phase) {
  switch (phase) {
    case RunPhase::kData:
      return "read";
    case RunPhase::kQuantize:
      return "quantize";
    case RunPhase::kCalibrate:
      return "calibrate";
    case RunPhase::kInitialise:
      return "initialise";
    case RunPhase::kSamples:
      return "sample";
  }
  return "";
}

class Terminal final : public RunObserver {
 public:
  Terminal(CommandContext& context, ThreadChoice threads)
      : context_(context), threads_(std::move(threads)) {}

  void warning(const std::string& text) override {
    if (progress_) {
      progress_->print("warning: " + without_controls(text));
    } else {
      context_.warn(text);
    }
  }

  void note(const std::string& text) override {
    progress_.reset();
    context_.out << without_controls(text) << std::endl;
  }

  void progress(RunPhase phase, std::int64_t done, std::int64_t total) override {
    if (phase_ != phase || !progress_) start(label_of(phase), unit_of(phase));
    phase_ = phase;
    ProgressSample sample;
    sample.done = done;
    sample.total = total;
    progress_->update(sample);
  }

  void planned(const RunPlan& plan) override {
    progress_.reset();
    total_steps_ = plan.total_steps;
    context_.out << layers_text(plan.start) << "Steps: " << plan.total_steps << ", about "
                 << std::llround(plan.tokens_per_step) << " tokens each\n"
                 << "Arithmetic: " << plan.arithmetic << "\n"
                 << "Threads: " << threads_.count << " (" << threads_.reason << ")\n"
                 << recompute_text(plan.recompute) << memory_text(plan.memory) << std::flush;
  }

  void timed(double seconds, double seconds_per_step) override {
    context_.out << "Time (predicted): " << format_duration(seconds) << ", "
                 << general(seconds_per_step, 3)
                 << " s a step, beside initialisation and evaluation" << std::endl;
  }

  void start_checked(const StartLosses& losses) override {
    guard_.emplace();
    context_.out << "Loss before step 1: base model " << fixed(losses.base, 6) << ", "
                 << losses.method << (losses.quantized ? " on the quantised base " : " ")
                 << fixed(losses.adapted, 6) << std::endl;
    start_training(0);
  }

  void int8_checked(const Int8Losses& losses) override {
    progress_.reset();
    context_.out << "With int8 products of " << losses.layers
                 << " layers: " << fixed(losses.exact, 6) << " becomes " << fixed(losses.int8, 6)
                 << " (" << change_text(losses) << ")" << std::endl;
    start_training(0);
  }

  void resumed(std::int64_t step) override {
    guard_.emplace();
    context_.out << "Resumed at step " << step << std::endl;
    start_training(step);
  }

  void begins_instead() override {
    context_.out << "Nothing to resume: the run begins" << std::endl;
  }

  void step(const StepReport& report, const std::optional<MeanLoss>& eval) override {
    ProgressSample sample{.done = report.step, .total = report.total_steps};
    sample.loss = report.loss;
    sample.tokens_per_second = report.tokens_per_second();
    sample.memory = process_memory().resident;
    progress_->update(sample);
    if (!eval) return;
    progress_->print("step " + std::to_string(report.step) + ": evaluation loss " +
                     fixed(eval->loss, 4) + ", " +
                     (eval->metrics.empty() ? "perplexity " + fixed(eval->perplexity, 2)
                                            : describe(eval->metrics)));
  }

  void rescued(std::int64_t step) override {
    progress_.reset();
    context_.err << "Step " << step << " is kept in the run's checkpoints" << std::endl;
  }

  void saved(const std::filesystem::path& path, const std::optional<BestEval>& best) override {
    progress_.reset();
    guard_.reset();
    context_.out << "Saved " << path.string();
    if (best) {
      context_.out << " (best evaluation: " << describe(*best) << ")";
    }
    context_.out << std::endl;
  }

  const std::atomic<bool>* stop() const override { return &interrupt_requested(); }

  void finish() { progress_.reset(); }

 private:
  void start(const char* label, const char* unit) {
    progress_.reset();
    progress_.emplace(Progress::Settings{.label = label, .unit = unit});
  }

  // Shown before the first step ends, which may take long.
  void start_training(std::int64_t done) {
    start("train", "step");
    progress_->update({.done = done, .total = total_steps_});
  }

  CommandContext& context_;
  ThreadChoice threads_;
  std::optional<Progress> progress_;
  std::optional<RunPhase> phase_;
  std::int64_t total_steps_ = 0;
  // While steps are taken a signal asks for an end; before and after it ends the process.
  std::optional<InterruptGuard> guard_;
};

// PEFT has no such method, or the adapter holds less than PEFT needs.
void show_export(const TrainOptions& options, const std::filesystem::path& adapter,
                 std::ostream& out) {
  if (!is_adapter_directory(adapter) || std::filesystem::exists(adapter / kPeftConfigFile)) return;
  const std::filesystem::path base =
      options.model.base_dtype ? quantized_base_directory(options.run.output) : options.model.model;
  out << "For PEFT, as a LoRA:\n  svtune export --model " << shell_word(base.string())
      << " --adapter " << shell_word(adapter.string()) << " --output "
      << shell_word((options.run.output / "lora").string()) << "\n";
}

}  // namespace

int run(const TrainCommandOptions& options, CommandContext& context) {
  Terminal terminal(context, prepare_threads(options.model.threads, context));
  if (options.run.dry_run) {
    rehearse_training(options, terminal);
    return 0;
  }
  const TrainOutcome outcome = run_training(options, terminal);
  terminal.finish();
  if (outcome.stopped) {
    context.out << "Stopped after step " << outcome.steps << " of " << outcome.total_steps
                << ". Go on with:\n  svtune train --config "
                << shell_word((options.run.output / "config.json").string()) << " --resume\n";
    return interrupt_exit_code();
  }
  show_export(options, outcome.result, context.out);
  context.out << "Report " << outcome.report.string() << "\n"
              << "Peak memory: " << format_bytes(outcome.peak_memory) << "\n";
  return 0;
}

}  // namespace svtune
