#include "train/run_log.h"

#include <cmath>
#include <exception>
#include <limits>
#include <utility>

#include "base/clock.h"
#include "base/files.h"
#include "train/event_log.h"
#include "train/memory.h"

namespace svtune {
namespace {

std::optional<double> if_finite(double value) {
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

bool due(std::int64_t step, std::int64_t every, std::int64_t total) {
  return step == total || (every > 0 && step % every == 0);
}

// Of what the best evaluation is told by; NaN where it was not measured.
double metric_of(const MeanLoss& eval, const std::string& name) {
  if (name == "loss") return eval.loss;
  for (const Measured& each : eval.metrics) {
    if (each.name == name) return each.value;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

bool is_better(double value, const BestEval& best) {
  return best.metric == "loss" ? value < best.value : value > best.value;
}

void add_evaluation(MetricPoint& point, const MeanLoss& eval) {
  point.eval_loss = eval.loss;
  for (const Measured& each : eval.metrics) {
    for (const MetricField& field : metric_fields()) {
      if (field.key == "eval_" + each.name) point.*field.member = each.value;
    }
  }
}

MetricPoint point_of(const TrainState& state, const StepReport& report,
                     const std::optional<MeanLoss>& eval) {
  MetricPoint point;
  point.step = report.step;
  point.loss = report.loss;
  if (eval) add_evaluation(point, *eval);
  point.grad_norm = report.grad_norm;
  point.learning_rate = report.learning_rate;
  point.tokens_per_second = if_finite(report.tokens_per_second());
  point.memory = static_cast<double>(process_memory().resident);
  point.seconds = state.seconds;
  point.tokens = static_cast<double>(state.tokens);
  point.epoch = if_finite(report.epoch);
  return point;
}

}  // namespace

struct RunLog::Writers {
  MetricsLog metrics;
  std::optional<EventLog> events;
};

RunLog::RunLog(RunLogOptions options, const std::optional<CheckpointStore::Restored>& restored)
    : options_(std::move(options)), checkpoints_(options_.directory) {
  if (!options_.now) options_.now = steady_seconds;
  saved_time_ = options_.now();
  epochs_ = std::floor(options_.epochs_done);
  remove_stale_temporaries(options_.directory);
  checkpoints_.settle(restored);
  std::optional<std::int64_t> keep_through;
  if (restored) {
    // A run that ended right behind the missing line has it in the file already.
    keep_through = restored->unlogged ? restored->step - 1 : restored->step;
    const std::optional<BestEval>& best = restored->best;
    const bool same = best && best->data == options_.eval_data && best->metric == options_.best_by;
    if (same) best_ = best;
    saved_step_ = restored->step;
    unlogged_ = restored->unlogged;
    if (unlogged_) unlogged_->report.total_steps = options_.total_steps;
  }
  const std::filesystem::path metrics = options_.directory / "metrics.jsonl";
  writers_.reset(new Writers{MetricsLog(metrics, keep_through), std::nullopt});
  if (options_.tensorboard) {
    writers_->events.emplace(options_.directory, read_metrics(metrics).points);
  }
}

RunLog::~RunLog() = default;

bool RunLog::should_stop() const { return options_.stop != nullptr && options_.stop->load(); }

MeanLoss RunLog::evaluate(std::int64_t step) {
  const MeanLoss result = options_.evaluate();
  evaluated_step_ = step;
  const double value = metric_of(result, options_.best_by);
  if (std::isfinite(value) && (!best_ || is_better(value, *best_))) {
    best_ = BestEval{step, result.loss, options_.eval_data, options_.best_by, value};
  }
  return result;
}

bool RunLog::evaluation_is_due(const UnloggedStep& step) const {
  if (!options_.evaluate) return false;
  return due(step.report.step, options_.eval_every, options_.total_steps) ||
         (options_.eval_each_epoch && step.ended_epoch);
}

void RunLog::log(const MetricPoint& point) {
  writers_->metrics.append(point);
  unlogged_.reset();  // events are made of the lines when a run goes on
  if (writers_->events) writers_->events->append(point);
}

bool RunLog::save_is_due(std::int64_t step) const {
  const bool is_best = best_ && best_->step == step;
  const bool is_old =
      options_.save_seconds > 0 && options_.now() - saved_time_ >= options_.save_seconds;
  return is_best || is_old || due(step, options_.save_every, options_.total_steps);
}

void RunLog::save(const TrainState& state) {
  checkpoints_.save(state, best_, unlogged_);
  saved_step_ = state.step;
  saved_time_ = options_.now();
  checkpoints_.prune(state.step, options_.keep_checkpoints,
                     best_ ? std::optional(best_->step) : std::nullopt);
}

void RunLog::finish_step(const TrainState& state, const UnloggedStep& step) {
  const StepReport& report = step.report;
  unlogged_ = step;
  std::optional<MeanLoss> eval;
  if (evaluation_is_due(step)) eval = evaluate(report.step);
  log(point_of(state, report, eval));
  // A checkpoint that is there already says that the line is still to come.
  if (save_is_due(report.step) || saved_step_ == report.step) save(state);
  if (options_.on_step) options_.on_step(report, eval);
}

void RunLog::on_begin(const TrainState& state) {
  if (!unlogged_) return;
  const UnloggedStep step = *unlogged_;
  finish_step(state, step);
}

void RunLog::on_step(const TrainState& state, const StepReport& report) {
  const double ended = std::floor(report.epoch);
  const bool ended_epoch = ended > epochs_;
  epochs_ = ended;
  finish_step(state, {report, ended_epoch});
}

void RunLog::on_failure(const TrainState& state) noexcept {
  if (state.step == 0 || saved_step_ == state.step) return;
  try {
    save(state);
    if (options_.on_rescue) options_.on_rescue(state.step);
  } catch (const std::exception&) {
    // What ends the run is told already: a full disk, say, fails here once more.
  }
}

void RunLog::on_end(const TrainState& state, const TrainResult& result) {
  // The data may end before the planned number of steps; the last state is evaluated anyway.
  if (options_.evaluate && !result.stopped && state.step > 0 && evaluated_step_ != state.step) {
    MetricPoint point;
    point.step = state.step;
    add_evaluation(point, evaluate(state.step));
    log(point);
  }
  if (state.step > 0 && saved_step_ != state.step) save(state);
}

}  // namespace svtune
