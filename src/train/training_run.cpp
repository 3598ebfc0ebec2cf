#include "train/training_run.h"

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/hash.h"
#include "base/number_text.h"
#include "base/text_util.h"
#include "libtorch/prelude.h"
#include "nn/cpu_allocator.h"
#include "report/metrics_log.h"
#include "train/held_out.h"
#include "train/int8_base.h"
#include "train/memory_plan.h"
#include "train/prepare_session.h"
#include "train/quantized_base.h"
#include "train/rehearsal.h"
#include "train/run_config.h"
#include "train/run_directory.h"
#include "train/run_inputs.h"
#include "train/run_log.h"
#include "train/run_report.h"
#include "train/run_result.h"
#include "train/session_adapters.h"
#include "train/session_memory.h"
#include "train/shape_check.h"
#include "train/start_check.h"
#include "train/start_products.h"

namespace svtune {
namespace {

// Of one optimiser step, on average.
double tokens_per_step(const TrainSession& session) {
  const TrainConfig& train = session.options.train;
  const BatchStream& stream = session.batches->stream();
  const std::int64_t a_step = train.batch.gradient_accumulation;
  // A short run may have fewer micro-batches than a step would take.
  const std::int64_t micro = train.max_steps ? a_step : std::min(a_step, stream.total_batches());
  return stream.tokens_per_batch() * static_cast<double>(micro);
}

RunPlan plan_of(TrainSession& session, const Attached& attached) {
  MemoryChoice memory = choose_memory(session, attached);
  return {attached.report,          std::move(memory.forecast), session.total_steps,
          tokens_per_step(session), session.model.arithmetic,   std::move(memory.text)};
}

// As config.json keeps them: with the blocks that were chosen in place of what they were chosen by.
TrainOptions with_chosen_blocks(TrainOptions options, const TrainConfig& chosen) {
  options.train.activations = chosen.activations;
  options.train.activations.max_memory.reset();
  return options;
}

// A quantised base, a trained adapter and some methods promise no equality.
bool promises_start(const TrainSession& session, const MethodTraits& method) {
  return !session.start_adapter && !session.options.model.base_dtype && !method.moves_start;
}

std::int64_t start_tokens(const TrainSession& session) {
  const MethodTraits method = method_traits(session.options.method);
  const bool scattered = promises_start(session, method) && method.starts_near &&
                         at::elementSize(session.model.dtype()) == 2;
  if (!scattered) return kStartTokens;
  // The check runs the model forward three times or more: as much as a step costs is enough.
  return std::clamp(static_cast<std::int64_t>(tokens_per_step(session)), kLeastScatteredTokens,
                    kScatteredStartTokens);
}

// Loss with the products that each layer starts with; which they are is kept with the adapters.
double settle_products(TrainSession& session, Attached& attached,
                       const std::vector<Batch>& documents, double base_loss,
                       RunObserver& observer) {
  const SettledStart start = settle_start(*session.model.net, attached, documents, base_loss);
  if (start.exact == 0) return start.loss;
  const MemoryChoice memory = choose_memory(session, attached);
  observer.note("products of " + std::to_string(start.exact) + " of " +
                std::to_string(attached.adapters.layers.size()) +
                " layers keep the base's weights: the cheapest ones of " + attached.report.method +
                " miss a layer's output by up to " + percent(start.worst_error, 1) +
                " and start at a loss of " + fixed(start.cheapest_loss, 6) +
                "; peak memory (predicted) " + format_bytes(memory.forecast.total()) +
                (memory.text.empty() ? "" : "; " + memory.text));
  check_memory(memory.forecast, available_memory(), process_memory().resident);
  return start.loss;
}

// `base_loss` is the base model's on `documents`.
void verify_start(TrainSession& session, Attached& attached, const std::vector<Batch>& documents,
                  double base_loss, RunObserver& observer) {
  const MethodTraits method = method_traits(attached.record.method);
  const bool promised = promises_start(session, method);
  const double loss = promised && method.starts_near
                          ? settle_products(session, attached, documents, base_loss, observer)
                          : start_loss(*session.model.net, &attached.adapters, documents);
  observer.start_checked(
      {base_loss, loss, attached.report.method, session.options.model.base_dtype.has_value()});
  if (promised) check_start(base_loss, loss, attached.report.method);
}

RunLogOptions log_options(TrainSession& session, const Attached& attached,
                          std::optional<LabelMeter>& latest, RunObserver& observer) {
  RunLogOptions log;
  log.directory = session.options.run.output;
  log.total_steps = session.total_steps;
  log.eval_every = session.options.train.eval_every;
  log.eval_each_epoch = session.options.train.eval_each_epoch;
  log.epochs_done = session.batches->epoch();
  if (const auto by = session.options.train.keep_best) log.best_by = enum_name(*by);
  log.save_every = session.options.train.save_every;
  log.save_seconds = 60 * session.options.train.save_minutes;
  log.keep_checkpoints = session.options.train.keep_checkpoints;
  log.stop = observer.stop();
  if (session.eval_batches) {
    log.eval_data = hex64(session.eval_batches->stream().store().fingerprint());
    log.evaluate = [&session, &attached, &latest] {
      return held_out_loss(session, attached.adapters, latest);
    };
  }
  log.on_step = [&observer](const StepReport& step, const std::optional<MeanLoss>& eval) {
    observer.step(step, eval);
  };
  log.on_rescue = [&observer](std::int64_t step) { observer.rescued(step); };
  return log;
}

// What a run goes on with must be what it began with; the options are compared already.
void check_inputs(const std::filesystem::path& run, const std::optional<RunInputs>& begun,
                  const RunInputs& inputs, RunObserver& observer) {
  if (begun) {
    require_same_inputs(*begun, inputs);
  } else if (has_checkpoint(run)) {
    observer.warning(run.string() +
                     ": checkpoints/inputs.json is not there (an older version wrote none), and "
                     "nothing says what the run began with; make sure that model and data are the "
                     "same");
  }
}

// The arithmetic of the run that goes on; nothing where none was begun.
std::optional<at::ScalarType> begun_arithmetic(const std::filesystem::path& run) {
  const std::optional<RunInputs> begun = read_inputs(run);
  for (const at::ScalarType each : {at::kFloat, at::kBFloat16}) {
    if (begun && begun->dtype == dtype_text(each)) return each;
  }
  return std::nullopt;
}

// A run that was stopped before its first checkpoint, or one whose checkpoints are gone.
void tell_that_it_begins_anew(const std::filesystem::path& run, RunObserver& observer) {
  const std::vector<MetricPoint> done = read_metrics(run / "metrics.jsonl").points;
  if (done.empty()) return;
  observer.warning(run.string() + ": the run has done " + std::to_string(done.back().step) +
                   " steps and no checkpoint of them is there; it begins anew");
}

// What files of the run no longer tell; nothing of it is needed to go on.
void tell_what_is_lost(const std::filesystem::path& run, std::int64_t step, RunObserver& observer) {
  const std::filesystem::path log = run / "metrics.jsonl", report = run / "report.json";
  if (const std::string steps = missing_steps(read_metrics(log), step); !steps.empty()) {
    observer.warning(log.string() + ": holds no line of steps that the run has done: " + steps +
                     "; its curves lack them");
  }
  if (!std::filesystem::exists(report)) {
    observer.warning(report.string() +
                     ": is gone; the report lacks what was measured before training");
  }
}

// Back to the latest checkpoint of a run that goes on. Writes nothing when it cannot go on.
std::optional<CheckpointStore::Restored> restore_state(const TrainSession& session,
                                                       TrainState& state, RunObserver& observer) {
  std::optional<CheckpointStore::Restored> restored =
      CheckpointStore(session.options.run.output).restore_latest(state);
  if (!restored) return restored;
  if (session.total_steps < restored->step) {
    throw UsageError("the run has done " + std::to_string(restored->step) +
                         " steps already, more than the " + std::to_string(session.total_steps) +
                         " asked for",
                     "Raise --max-steps or --epochs.");
  }
  for (const std::string& warning : restored->warnings) observer.warning(warning);
  const std::int64_t logged = restored->unlogged ? restored->step - 1 : restored->step;
  tell_what_is_lost(session.options.run.output, logged, observer);
  observer.resumed(restored->step);
  return restored;
}

Trained train_steps(TrainSession& session, const Attached& attached, TrainState& state,
                    const std::optional<CheckpointStore::Restored>& restored,
                    RunObserver& observer) {
  Trained trained;
  RunLog log(log_options(session, attached, trained.predictions, observer), restored);
  trained.result =
      train(*session.model.net, state, session.options.train, session.total_steps, log);
  trained.best = log.best();
  return trained;
}

// What is asked of the base alone; nothing where a run goes on.
struct BaseAnswers {
  std::vector<Batch> documents;
  std::optional<double> loss;  // on `documents`
  std::vector<ReportSample> samples;
};

BaseAnswers ask_base(TrainSession& session, RunObserver& observer) {
  check_shapes(session);
  // What the base alone needs is checked before its loss is computed.
  check_memory(forecast_memory(session, {}), available_memory(), process_memory().resident);
  BaseAnswers base;
  base.documents = start_documents(*session.batches, start_tokens(session));
  base.loss = start_loss(*session.model.net, nullptr, base.documents);
  if (!session.start_adapter) answer_samples(session, kAnswerBefore, base.samples, observer);
  return base;
}

// The adapters that the run begins or goes on with. Those that an earlier run has trained are asked
// the questions of the report, as the base is otherwise.
Attached attach_for_run(TrainSession& session, bool restart, std::vector<ReportSample>& samples,
                        RunObserver& observer) {
  const std::filesystem::path& run = session.options.run.output;
  const bool goes_on_from_adapter = !restart && session.options.model.adapter.has_value();
  std::optional<AdapterRecord> begun;
  if (restart) begun = read_record(run);
  Attached attached = attach_adapters(session, /*initialise=*/!restart, observer, begun);
  if (goes_on_from_adapter) answer_samples(session, kAnswerBefore, samples, observer);
  release_cached_blocks();  // what decompositions and the base's loss needed
  if (restart) restore_record(run, attached);
  attached.record.prompt = session.prompt;
  return attached;
}

// The report as it stands before the first step.
RunFiles files_at_start(const TrainSession& session, const Attached& attached, BaseAnswers base,
                        const std::optional<Int8Losses>& int8, const RunPlan& plan) {
  const bool begins = base.loss.has_value();
  RunFiles files = start_files(session, attached.report, base.loss);
  if (begins) files.samples = std::move(base.samples);
  if (int8) files.run.facts.push_back({"Loss by int8 products", change_text(*int8)});
  if (begins && !plan.recompute.empty()) {
    files.run.facts.push_back({"Memory at the start", plan.recompute});
  }
  return files;
}

}  // namespace

TrainOutcome run_training(const TrainOptions& given, RunObserver& observer) {
  require_nameable_paths(given);
  const std::filesystem::path& run = given.run.output;
  RunDirectory directory(run, given.run.resume);
  if (given.run.resume && !directory.holds_run()) observer.begins_instead();
  TrainSession session = prepare_session(
      given, observer, directory.holds_run() ? begun_arithmetic(run) : std::nullopt);
  RunInputs inputs = inputs_of(session);
  std::optional<RunInputs> begun;
  if (directory.holds_run()) {
    begun = read_inputs(run);
    check_inputs(run, begun, inputs, observer);
  }
  const bool restart = directory.holds_run() && has_checkpoint(run);
  const auto begin = [&](const TrainOptions& options) {
    directory.begin(options);
    save_inputs(run, inputs);
  };
  if (directory.holds_run() && !restart) tell_that_it_begins_anew(run, observer);
  BaseAnswers base;
  if (!restart) base = ask_base(session, observer);
  // A quantised base is written first of all, and a killed run must find it again.
  if (session.options.model.base_dtype && !restart) begin(given);
  enter_quantized_base(session, observer);
  add_quantized_base(inputs, session, begun);
  Attached attached = attach_for_run(session, restart, base.samples, observer);
  const RunPlan plan = plan_of(session, attached);
  observer.planned(plan);
  check_memory(plan.memory, available_memory(), process_memory().resident);
  if (base.loss) verify_start(session, attached, base.documents, *base.loss, observer);
  const std::optional<Int8Losses> int8 = enter_int8(session, attached, !restart, observer);
  release_unread_weights(session);
  std::optional<TrainState> state(std::in_place, attached.adapters, *session.batches,
                                  session.options.train.optimizer);
  std::optional<CheckpointStore::Restored> restored;
  if (restart) restored = restore_state(session, *state, observer);
  if (!restored || restored->step < session.total_steps) {
    static_cast<void>(Schedule(session.options.train.schedule, session.total_steps));
  }
  require_result_places(run);
  // The last of what may refuse the run; from here on its files change.
  RunFiles files = files_at_start(session, attached, std::move(base), int8, plan);
  begin(with_chosen_blocks(given, session.options.train));
  if (!restart) save_record(run, attached);
  save_report_json(run, files);

  Trained trained = train_steps(session, attached, *state, restored, observer);
  state.reset();  // optimiser and gradients
  TrainOutcome outcome{trained.result.steps,   session.total_steps,
                       trained.result.stopped, trained.result.last_loss,
                       trained.best,           {},
                       run / "report.html",    0};
  if (!outcome.stopped) {
    outcome.result = save_results(session, attached, trained, files, observer);
  }
  outcome.peak_memory = process_memory().peak;
  files.run.facts.push_back({kPeakFact, format_bytes(outcome.peak_memory)});
  save_report_json(run, files);
  write_run_report(run, "svtune");
  require_best_state(session, trained, outcome.result);
  return outcome;
}

void rehearse_training(const TrainOptions& options, RunObserver& observer) {
  TrainSession session = prepare_session(options, observer);
  Attached attached = attach_adapters(session, /*initialise=*/false, observer);
  const RunPlan plan = plan_of(session, attached);
  observer.planned(plan);
  check_memory(plan.memory, available_memory(), process_memory().resident);
  quantize_in_memory(session);
  enter_int8(session, attached, /*measure=*/false, observer);
  const StepTime time =
      measure_steps(*session.model.net, attached.adapters, *session.batches, session.options.train);
  const double a_step = time.of_step(plan.tokens_per_step);
  observer.timed(a_step * static_cast<double>(plan.total_steps), a_step);
}

}  // namespace svtune
