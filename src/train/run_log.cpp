#include "train/run_log.h"

#include <chrono>
#include <cmath>
#include <exception>
#include <utility>

#include "base/files.h"
#include "train/event_log.h"
#include "train/memory.h"

namespace svtune {
namespace {

std::optional<double> if_finite(double value) {
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

double steady_seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

bool due(std::int64_t step, std::int64_t every, std::int64_t total) {
  return step == total || (every > 0 && step % every == 0);
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
  remove_stale_temporaries(options_.directory);
  std::optional<std::int64_t> keep_through;
  if (restored) {
    keep_through = restored->step;
    if (restored->best && restored->best->data == options_.eval_data) best_ = restored->best;
    saved_step_ = restored->step;
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
  if (std::isfinite(result.loss) && (!best_ || result.loss < best_->loss)) {
    best_ = BestEval{step, result.loss, options_.eval_data};
  }
  return result;
}

void RunLog::log(const MetricPoint& point) {
  writers_->metrics.append(point);
  if (writers_->events) writers_->events->append(point);
}

bool RunLog::save_is_due(std::int64_t step) const {
  const bool is_best = best_ && best_->step == step;
  const bool is_old =
      options_.save_seconds > 0 && options_.now() - saved_time_ >= options_.save_seconds;
  return is_best || is_old || due(step, options_.save_every, options_.total_steps);
}

void RunLog::save(const TrainState& state) {
  checkpoints_.save(state, best_);
  saved_step_ = state.step;
  saved_time_ = options_.now();
  checkpoints_.prune(state.step, options_.keep_checkpoints,
                     best_ ? std::optional(best_->step) : std::nullopt);
}

void RunLog::on_step(const TrainState& state, const StepReport& report) {
  const std::int64_t step = report.step, total = options_.total_steps;
  std::optional<MeanLoss> eval;
  if (options_.evaluate && due(step, options_.eval_every, total)) eval = evaluate(step);
  log(point_of(state, report, eval));
  if (save_is_due(step)) save(state);
  if (options_.on_step) options_.on_step(report, eval);
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
