#include "train/run_result.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "adapter_files/adapter_file.h"
#include "base/files.h"
#include "libtorch/prelude.h"
#include "merge/merge.h"
#include "report/metrics_log.h"
#include "train/held_out.h"
#include "train/label_report.h"
#include "train/recipes/recipe_report.h"
#include "train/run_report.h"

namespace svtune {
namespace {

std::filesystem::path save_result(TrainSession& session, const Attached& attached,
                                  const std::string& suffix, RunObserver& observer) {
  const std::filesystem::path run = session.options.run.output;
  if (session.images) session.model.preprocessor = session.images->preprocessor;
  if (const MethodTraits traits = method_traits(attached.record.method); traits.trains_matrix) {
    const std::filesystem::path target = run / ("model" + suffix);
    MergeOptions merge;
    merge.if_exists = IfExists::kUpdate;  // files of others stay
    merge.prompt = session.prompt;
    merge.rounding.mode = traits.rounding;
    const MergeReport report = merge_to_directory(session.model, attached.adapters, target, merge);
    if (const std::string text = rounding_summary(report); !text.empty()) observer.note(text);
    return target;
  }
  const std::filesystem::path target = run / ("adapter" + suffix);
  save_adapter(session.model, attached.adapters, attached.record, target, IfExists::kUpdate);
  return target;
}

// Brings the adapters to the best evaluation's state; false where that is the last, or is gone or
// damaged, which leaves them as they are.
bool load_best(const TrainSession& session, const Attached& attached, Trained& trained) {
  if (!trained.best || trained.best->step == trained.result.steps) return false;
  const CheckpointStore checkpoints(session.options.run.output);
  const std::vector<std::int64_t> kept = checkpoints.steps();
  if (std::ranges::find(kept, trained.best->step) == kept.end()) return false;
  try {
    checkpoints.load_adapters(trained.best->step, attached.adapters);
  } catch (const FileError& error) {
    trained.damage = error;
  }
  return !trained.damage;
}

// --keep-best: the adapters stay in the state that is written, and the report says which it is.
std::filesystem::path save_best(TrainSession& session, const Attached& attached, Trained& trained,
                                RunFiles& files, RunObserver& observer) {
  const std::optional<BestEval>& best = trained.best;
  const bool is_last = best && best->step == trained.result.steps;
  const bool loaded = load_best(session, attached, trained);
  trained.keeps_best = loaded || is_last;
  if (!trained.keeps_best && !trained.damage) {
    observer.warning(best ? "the checkpoint of the best evaluation, " + describe(*best) +
                                ", is gone: the last step is kept"
                          : "no evaluation gave a number to compare: the last step is kept");
  }
  if (trained.keeps_best) files.run.facts.push_back({kKeptFact, describe(*best)});
  // What the report shows of single documents is the kept state's.
  if (loaded && trained.predictions) {
    static_cast<void>(held_out_loss(session, attached.adapters, trained.predictions));
  }
  const std::filesystem::path result = save_result(session, attached, "", observer);
  observer.saved(result, loaded ? best : std::nullopt);
  return result;
}

// Writes the last state, and the best one by evaluation beside it.
std::filesystem::path save_states(TrainSession& session, const Attached& attached, Trained& trained,
                                  RunFiles& files, RunObserver& observer) {
  if (session.options.train.keep_best) {
    return save_best(session, attached, trained, files, observer);
  }
  const std::filesystem::path last = save_result(session, attached, "", observer);
  observer.saved(last, std::nullopt);
  const std::optional<BestEval>& best = trained.best;
  if (!load_best(session, attached, trained)) return last;
  observer.saved(save_result(session, attached, "-best", observer), best);
  CheckpointStore(session.options.run.output)
      .load_adapters(trained.result.steps, attached.adapters);
  return last;
}

// The paper's figures beside those of the state that is the result.
void add_paper_facts(const TrainSession& session, const Trained& trained, RunFiles& files) {
  if (session.options.recipe.empty()) return;
  std::optional<std::int64_t> step;
  if (trained.keeps_best) step = trained.best->step;
  const auto points = read_metrics(session.options.run.output / "metrics.jsonl").points;
  for (ReportFact& fact : paper_facts(find_recipe(session.options.recipe), points, step)) {
    files.run.facts.push_back(std::move(fact));
  }
}

}  // namespace

void require_result_places(const std::filesystem::path& run) {
  std::error_code failed;
  for (const char* name : {"adapter", "adapter-best", "model", "model-best"}) {
    const std::filesystem::path place = run / name;
    const auto status = std::filesystem::status(place, failed);
    const bool link = std::filesystem::is_symlink(std::filesystem::symlink_status(place, failed));
    if (std::filesystem::is_directory(status) || (!std::filesystem::exists(status) && !link)) {
      continue;
    }
    throw FileError(place.string(), "is in the place of a result and no directory",
                    "Move it away.");
  }
  for (const char* name : {"report.html", "report.json", "metrics.jsonl", "config.json"}) {
    const std::filesystem::path place = run / name;
    if (!std::filesystem::is_directory(place, failed)) continue;
    throw FileError(place.string(), "is a directory, and a file of the run is to be there",
                    "Move it away.");
  }
}

std::filesystem::path save_results(TrainSession& session, const Attached& attached,
                                   Trained& trained, RunFiles& files, RunObserver& observer) {
  std::filesystem::path result = save_states(session, attached, trained, files, observer);
  add_paper_facts(session, trained, files);
  answer_samples(session, kAnswerAfter, files.samples, observer);
  if (trained.predictions && session.eval_labelled->labels() != nullptr) {
    report_classes(*session.eval_labelled, *trained.predictions,
                   static_cast<std::uint64_t>(session.options.train.seed), files.run);
  }
  return result;
}

void require_best_state(const TrainSession& session, const Trained& trained,
                        const std::filesystem::path& result) {
  if (!trained.damage) return;
  const FileError& damage = *trained.damage;
  const std::string problem = std::string(damage.what()).substr(damage.path().size() + 2);
  const CheckpointStore checkpoints(session.options.run.output);
  throw FileError(damage.path(),
                  problem + "; the state of the best evaluation, " + describe(*trained.best) +
                      ", cannot be read, and " + result.string() + " is that of the last step",
                  "To end the run without it remove " +
                      checkpoints.path(trained.best->step).string() + " and give --resume.");
}

}  // namespace svtune
