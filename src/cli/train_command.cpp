// svtune train, in order: prepare, attach, check the start, train, save, report.
#include <cstdio>
#include <iostream>

#include "base/errors.h"
#include "base/files.h"
#include "base/text_util.h"
#include "cli/core/interrupt.h"
#include "cli/core/progress.h"
#include "cli/run_directory.h"
#include "cli/train_quantized.h"
#include "cli/train_report.h"
#include "cli/train_session.h"
#include "linalg/torch_pch.h"
#include "peft/adapter_file.h"
#include "peft/merge.h"
#include "train/start_check.h"

namespace svtune {
namespace {

// All linear layers are the default of svtune; files of PEFT keep PEFT's.
TargetOptions resolved_targets(const TrainOptions& options) {
  TargetOptions targets = options.targets;
  const bool full = std::holds_alternative<FullConfig>(options.method);
  if (!full && targets.target_modules.empty() && !targets.target_regex) {
    targets.target_modules = {"all-linear"};
  }
  return targets;
}

// The adapter to go on from decides what it is; options that say otherwise are a mistake.
void check_method_options(const TrainOptions& options, const AdapterRecord& record) {
  const Json asked = options_to_json(options.method, {});
  const Json saved = options_to_json(record.method, {});
  const Json untouched = options_to_json(TrainOptions{}.method, {});
  if (asked == saved || asked == untouched) return;
  throw UsageError("--adapter is of the method " + method_name(record.method) +
                       " with options of its own; the method options given differ",
                   "Leave out --method and its options.");
}

Attached attach_saved(TrainSession& session, std::ostream& err) {
  LoadedAdapter loaded = load_adapter(session.model, *session.start_adapter);
  for (const std::string& warning : loaded.warnings) err << "warning: " << warning << "\n";
  if (session.options.model.adapter) check_method_options(session.options, loaded.record);
  return adopt(session.model, std::move(loaded));
}

Attached attach_with_progress(TrainSession& session, bool initialise) {
  Progress progress({.label = "initialise", .unit = "layer"});
  AttachOptions attach_options;
  attach_options.seed = session.options.train.seed;
  attach_options.initialise = initialise;
  attach_options.progress = [&](std::int64_t done, std::int64_t total) {
    progress.update({.done = done, .total = total});
  };
  return attach(session.model, session.options.method, session.options.targets, attach_options);
}

void verify_start(TrainSession& session, const Attached& attached, std::ostream& out) {
  const std::vector<Batch> first = first_batches(*session.batches, 1);
  const double loss = start_loss(*session.model.net, &attached.adapters, first);
  // A quantised base or a trained adapter promises no equality.
  const bool own_start = session.start_adapter || session.options.model.base_dtype;
  char text[192];
  std::snprintf(text, sizeof text, "Loss before step 1: base model %.6f, %s%s %.6f\n",
                session.base_loss, attached.report.method.c_str(),
                session.options.model.base_dtype ? " on the quantised base" : "", loss);
  out << text;
  if (!own_start) check_start(session.base_loss, loss, attached.report.method);
}

RunLogOptions log_options(TrainSession& session, const Attached& attached, Progress& progress) {
  RunLogOptions log;
  log.directory = session.options.run.output;
  log.total_steps = session.total_steps;
  log.eval_every = session.options.train.eval_every;
  log.save_every = session.options.train.save_every;
  log.keep_checkpoints = session.options.train.keep_checkpoints;
  log.stop = &interrupt_requested();
  if (session.eval_batches) {
    log.evaluate = [&session, &attached] {
      return evaluate(*session.model.net, &attached.adapters, *session.eval_batches);
    };
  }
  log.on_step = [&progress](const StepReport& step, const std::optional<EvalResult>& eval) {
    ProgressSample sample{.done = step.step, .total = step.total_steps};
    sample.loss = step.loss;
    sample.tokens_per_second = static_cast<double>(step.tokens) / step.seconds;
    sample.memory = process_memory().resident;
    progress.update(sample);
    if (eval) {
      char text[96];
      std::snprintf(text, sizeof text, "step %lld: evaluation loss %.4f, perplexity %.2f",
                    static_cast<long long>(step.step), eval->loss, eval->perplexity);
      progress.print(text);
    }
  };
  return log;
}

// The adapter, or for full fine-tuning the model.
std::filesystem::path save_result(TrainSession& session, const Attached& attached,
                                  const std::string& suffix) {
  const std::filesystem::path run = session.options.run.output;
  if (attached.report.method == FullConfig::kName) {
    const std::filesystem::path target = run / ("model" + suffix);
    MergeOptions merge;
    merge.if_exists = IfExists::kReplace;
    merge_to_directory(session.model, attached.adapters, target, merge);
    return target;
  }
  const std::filesystem::path target = run / ("adapter" + suffix);
  save_adapter(session.model, attached.adapters, attached.record, target, IfExists::kReplace);
  return target;
}

// Writes the last state, and the best one by evaluation beside it.
void save_results(TrainSession& session, const Attached& attached, RunLog& log,
                  std::int64_t last_step, std::ostream& out) {
  out << "Saved " << save_result(session, attached, "").string() << "\n";
  const std::optional<BestEval>& best = log.best();
  if (!best || best->step == last_step) return;
  const std::vector<std::int64_t> kept = log.checkpoints().steps();
  if (std::find(kept.begin(), kept.end(), best->step) == kept.end()) return;
  log.checkpoints().load_adapters(best->step, attached.adapters);
  out << "Saved " << save_result(session, attached, "-best").string() << " (step " << best->step
      << ", evaluation loss " << best->loss << ")\n";
  log.checkpoints().load_adapters(last_step, attached.adapters);
}

int train_run(TrainSession& session, Attached& attached, CommandContext& context) {
  const std::filesystem::path run = session.options.run.output;
  TrainState state(attached.adapters, *session.batches, session.options.train.optimizer);
  std::optional<CheckpointStore::Restored> restored;
  if (session.options.run.resume) {
    restored = CheckpointStore(run).restore_latest(state);
    if (restored) {
      for (const std::string& warning : restored->warnings) {
        context.err << "warning: " << warning << "\n";
      }
      context.out << "Resumed at step " << restored->step << "\n";
    }
  }
  std::vector<ReportSample> samples = sample_questions(session);
  RunFiles files = start_files(session, attached, run);
  if (!restored) add_answers(session, samples, kAnswerBefore);
  if (restored) samples = load_samples(run);
  files.samples = samples;
  save_report_json(run, files);

  const InterruptGuard interrupt;
  Progress progress({.label = "train", .unit = "step"});
  RunLog log(log_options(session, attached, progress), restored);
  const TrainResult result =
      train(*session.model.net, state, session.options.train, session.total_steps, log);
  progress.finish();
  if (result.stopped) {
    context.out << "Stopped after step " << result.steps << " of " << session.total_steps
                << ". Go on with:\n  svtune train --config " << (run / "config.json").string()
                << " --resume\n";
    write_run_report(run, run.filename().string(), "svtune");
    return 0;
  }
  save_results(session, attached, log, result.steps, context.out);
  if (!samples.empty() && samples[0].answers.size() < 2) {
    add_answers(session, samples, kAnswerAfter);
  }
  files.samples = samples;
  files.run.facts.push_back({"Peak of the process", format_bytes(process_memory().peak)});
  save_report_json(run, files);
  write_run_report(run, run.filename().string(), "svtune");
  context.out << "Report " << (run / "report.html").string() << "\n"
              << "Peak memory: " << format_bytes(process_memory().peak) << "\n";
  return 0;
}

}  // namespace

int run(const TrainOptions& given, CommandContext& context) {
  TrainOptions options = given;
  options.targets = resolved_targets(options);
  if (!options.run.dry_run) check_run_directory(options.run.output, options.run.resume);
  TrainSession session = prepare_session(options);
  if (options.run.dry_run) {
    const Attached attached = session.start_adapter
                                  ? attach_saved(session, context.err)
                                  : attach_with_progress(session, /*initialise=*/false);
    print_start(session, attached, forecast_memory(session, attached), context.out);
    return 0;
  }
  const RunDirectory directory(options.run.output, options);
  const bool restart = options.run.resume && has_checkpoint(options.run.output);
  enter_quantized_base(session);
  Attached attached = session.start_adapter
                          ? attach_saved(session, context.err)
                          : attach_with_progress(session, /*initialise=*/!restart);
  if (restart) {
    restore_record(options.run.output, attached);
  } else {
    save_record(options.run.output, attached);
  }
  const MemoryForecast forecast = forecast_memory(session, attached);
  print_start(session, attached, forecast, context.out);
  check_memory(forecast, available_memory(), process_memory().resident);
  if (!restart) verify_start(session, attached, context.out);
  return train_run(session, attached, context);
}

}  // namespace svtune
