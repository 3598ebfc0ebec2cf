#include "train/session_adapters.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adapter_files/adapter_file.h"
#include "attach/calibrate.h"
#include "attach/target_check.h"
#include "attach/train_plan.h"
#include "base/errors.h"
#include "base/number_text.h"
#include "base/text_util.h"
#include "libtorch/prelude.h"
#include "linalg/user_svd_cache.h"
#include "train/quantize_plan.h"
#include "train/session_memory.h"

namespace svtune {
namespace {

bool is_saved(const TargetOptions& targets, std::string_view module) {
  return std::ranges::any_of(targets.modules_to_save,
                             [&](const std::string& name) { return module.ends_with(name); });
}

// Added rows train, unless their matrices train whole.
TargetOptions with_added_words(const TrainSession& session, TargetOptions targets) {
  if (!session.options.model.resize_embeddings) return targets;
  const std::int64_t vocab = session.model.spec().vocab_size;
  const Network& net = *session.model.net;
  const bool embedding = is_saved(targets, net.embedding().name());
  const bool one_tensor = net.head_is_tied() && targets.ensure_weight_tying;
  const bool labels = !net.predicts_words();
  if (!labels && embedding != is_saved(targets, net.head().name()) && !one_tensor) {
    throw UsageError(
        "--resize-embeddings trains added rows of the embedding and of the head, "
        "--modules-to-save one of the two",
        "Name both in --modules-to-save, or neither.");
  }
  if (embedding) return targets;
  std::vector<std::int64_t>& ids = targets.trainable_token_indices;
  const DeclaredWords stored = stored_words(session.options.model.model, session.head);
  for (std::int64_t id = stored.count; id < vocab; ++id) {
    if (std::ranges::count(ids, id) == 0) ids.push_back(id);
  }
  targets.trainable_token_head = !ids.empty() && !labels;
  return targets;
}

}  // namespace

TargetOptions resolved_targets(const TrainSession& session) {
  const TrainOptions& options = session.options;
  const bool whole = method_traits(options.method).trains_matrix;
  const bool none = options.targets == TargetOptions{};
  if (whole && none) return options.targets;
  return with_added_words(session, or_all_linear(options.targets));
}

TargetOptions checked_targets(const TrainSession& session) {
  TargetOptions targets = resolved_targets(session);
  if (!targets.target_modules.empty() || targets.target_regex) {
    check_every_target(*session.model.net, targets, session.options.method);
  }
  return targets;
}

namespace {

// The first micro-batches of the training data, as the training steps will see them.
std::vector<Batch> first_batches(TrainSession& session, std::int64_t count) {
  std::vector<Batch> batches;
  session.batches->rewind();
  for (std::int64_t i = 0; i < count; ++i) {
    const std::optional<Batch> batch = session.batches->next();
    if (!batch) break;
    if (session.options.train.batch.packing) {
      batches.push_back(*batch);
    } else {
      for (Batch& part : split_documents(*batch)) batches.push_back(std::move(part));
    }
  }
  session.batches->rewind();
  return batches;
}

Calibration calibrate_session(TrainSession& session, const TargetOptions& targets,
                              RunObserver& observer) {
  const TrainOptions& options = session.options;
  const std::vector<Batch> batches =
      first_batches(session, method_calibration_plan(options.method)->batches);
  CalibrationOptions calibration;
  calibration.memory_bytes = std::llround(options.run.calibration_memory * 1073741824.0);
  calibration.progress = [&observer](std::int64_t done, std::int64_t total) {
    observer.progress(RunPhase::kCalibrate, done, total);
  };
  // How much of it must be is found out when the adapters are there.
  const ActivationOptions& activations = options.train.activations;
  const RecomputePlan recompute =
      activations.max_memory ? RecomputePlan::all() : activations.plan();
  const MemoryForecast memory = forecast_calibration(session, options.method, targets, batches,
                                                     recompute, calibration.memory_bytes);
  observer.note("the pass over " + std::to_string(batches.size()) +
                " batches for the start: peak memory (predicted) " + format_bytes(memory.total()));
  check_memory(memory, available_memory(), process_memory().resident, MemoryPhase::kCalibration);
  session.model.net->set_recompute(recompute);
  Calibration found = calibrate(session.model, options.method, targets, batches, calibration);
  if (found.record.contains("settled")) {
    const double settled = found.record["settled"].get<double>();
    observer.note("half of the " + std::to_string(batches.size()) + " batches gave the start " +
                  fixed(100 * settled, 0) + " % of its directions already (|cosine| " +
                  fixed(kSettled, 2) + "); more --calibration-batches settle the others");
  }
  return found;
}

Attached attach_saved(TrainSession& session, RunObserver& observer) {
  const auto cache = session.options.run.svd_cache ? open_user_svd_cache() : nullptr;
  LoadedAdapter loaded =
      load_adapter(session.model, *session.start_adapter, cache ? &cache->svd : nullptr);
  for (const std::string& warning : loaded.warnings) observer.warning(warning);
  return adopt(session.model, std::move(loaded));
}

// A default rank that some layers are too small for.
void tell_cut_ranks(std::int64_t rank, const StartReport& report, RunObserver& observer) {
  std::int64_t smaller = 0, least = rank;
  for (const AdaptedLayer& layer : report.layers) {
    const std::int64_t most = std::min(layer.out_features, layer.in_features);
    smaller += most < rank ? 1 : 0;
    least = std::min(least, most);
  }
  if (smaller == 0) return;
  observer.note("the default rank " + std::to_string(rank) + " is cut to what the layer has in " +
                std::to_string(smaller) + " of " + std::to_string(report.layers.size()) +
                " layers, the smallest has " + std::to_string(least) + "; --rank sets one for all");
}

Attached attach_new(TrainSession& session, bool initialise, RunObserver& observer,
                    const std::optional<AdapterRecord>& begun) {
  AttachOptions attach_options;
  attach_options.seed = session.options.train.seed;
  attach_options.initialise = initialise;
  attach_options.shapes_only = session.options.run.dry_run;
  attach_options.rank_given = std::ranges::count(session.options.given, std::string("rank")) > 0;
  const auto cache = session.options.run.svd_cache ? open_user_svd_cache() : nullptr;
  if (cache) attach_options.cache = &cache->svd;
  attach_options.progress = [&observer](std::int64_t done, std::int64_t total) {
    observer.progress(RunPhase::kInitialise, done, total);
  };
  const TargetOptions targets = checked_targets(session);
  Calibration start{trained_method(session.options), targets, {}, nullptr};
  if (begun) {
    start = {begun->method, begun->targets, {}, begun->calibration};
  } else if (initialise && method_calibration_plan(start.method)) {
    start = calibrate_session(session, targets, observer);
    attach_options.starts = &start.starts;
  }
  Attached attached = attach(session.model, start.method, start.targets, attach_options);
  attached.record.calibration = start.record;
  if (const auto rank = method_cut_rank(start.method); rank && !attach_options.rank_given) {
    tell_cut_ranks(*rank, attached.report, observer);
  }
  if (!cache) return attached;
  attached.report.cached = cache->svd.found();
  for (const std::string& text : cache_warnings(*cache)) observer.warning(text);
  return attached;
}

void scale_head_rate(const TrainSession& session, AdapterSet& adapters) {
  const ScheduleConfig& rates = session.options.train.schedule;
  if (!rates.head_learning_rate) return;
  adapters.scaled_modules = head_modules(session.model);
  adapters.scaled_rate = *rates.head_learning_rate / rates.learning_rate;
}

}  // namespace

Attached attach_adapters(TrainSession& session, bool initialise, RunObserver& observer,
                         const std::optional<AdapterRecord>& begun) {
  Attached attached = session.start_adapter ? attach_saved(session, observer)
                                            : attach_new(session, initialise, observer, begun);
  scale_head_rate(session, attached.adapters);
  return attached;
}

}  // namespace svtune
