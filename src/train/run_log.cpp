#include "train/run_log.h"

#include <cmath>
#include <utility>

#include "report/metrics_log.h"
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

MetricPoint point_of(const TrainState& state, const StepReport& report,
                     const std::optional<EvalResult>& eval) {
  MetricPoint point;
  point.step = report.step;
  point.loss = report.loss;
  if (eval) point.eval_loss = eval->loss;
  point.grad_norm = report.grad_norm;
  point.learning_rate = report.learning_rate;
  point.tokens_per_second = if_finite(static_cast<double>(report.tokens) / report.seconds);
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
  std::optional<std::int64_t> keep_through;
  if (restored) {
    keep_through = restored->step;
    best_ = restored->best;
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

std::optional<EvalResult> RunLog::evaluate_if_due(std::int64_t step) {
  if (!options_.evaluate || !due(step, options_.eval_every, options_.total_steps)) {
    return std::nullopt;
  }
  return options_.evaluate();
}

void RunLog::save(const TrainState& state) {
  checkpoints_.save(state, best_);
  saved_step_ = state.step;
  checkpoints_.prune(options_.keep_checkpoints, best_ ? std::optional(best_->step) : std::nullopt);
}

void RunLog::on_step(const TrainState& state, const StepReport& report) {
  const std::optional<EvalResult> eval = evaluate_if_due(report.step);
  const bool improved = eval && std::isfinite(eval->loss) && (!best_ || eval->loss < best_->loss);
  if (improved) best_ = BestEval{report.step, eval->loss};
  const MetricPoint point = point_of(state, report, eval);
  writers_->metrics.append(point);
  if (writers_->events) writers_->events->append(point);
  if (improved || due(report.step, options_.save_every, options_.total_steps)) save(state);
  if (options_.on_step) options_.on_step(report, eval);
}

void RunLog::on_end(const TrainState& state, const TrainResult&) {
  if (state.step > 0 && saved_step_ != state.step) save(state);
}

}  // namespace svtune
