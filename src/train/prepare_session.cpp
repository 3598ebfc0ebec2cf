#include "train/prepare_session.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "adapter_files/adapter_vocabulary.h"
#include "adapter_files/replicated_layers.h"
#include "base/errors.h"
#include "eval/document_lengths.h"
#include "io/load_tokenizer.h"
#include "libtorch/prelude.h"
#include "models/model_dropout.h"
#include "train/labelled_data.h"
#include "train/quantize_plan.h"
#include "train/recipes/recipe.h"
#include "train/run_config.h"
#include "train/schedule.h"
#include "train/session_data.h"

namespace svtune {
namespace {

void check_vocabulary(const TrainSession& session) {
  if (!session.tokenizer) return;
  if (session.tokenizer->vocab_size() > session.model.spec().vocab_size) {
    throw ModelError(
        "the tokenizer has ids up to " + std::to_string(session.tokenizer->vocab_size() - 1) +
            ", the model's embedding " + std::to_string(session.model.spec().vocab_size) + " rows",
        "Use the tokenizer that belongs to the model, or add the rows with --resize-embeddings.");
  }
}

// Before any work: the long document may be the last one.
void check_lengths(const TrainSession& session) {
  const DataFileOptions& data = session.options.data;
  const auto check = [&](const StreamSource& source, const std::filesystem::path& path) {
    const DocumentStore& documents = source.stream().store();
    require_positions(*session.model.net, documents, documents.size(), path.string());
  };
  check(*session.batches, data.data);
  if (session.eval_batches) check(*session.eval_batches, data.eval_data.value_or(data.data));
}

// As many words as the run's model has, where these are not those that its base is stored with.
std::optional<std::int64_t> wanted_words(const TrainSession& session) {
  const TrainModelOptions& base = session.options.model;
  if (session.images || (!base.adapter && !base.resize_embeddings)) return std::nullopt;
  const DeclaredWords stored = stored_words(base.model, session.head);
  if (base.adapter) return adapter_vocab_size(*base.adapter, stored);
  return std::max<std::int64_t>(stored.count, session.tokenizer->vocab_size());
}

void check_options(const TrainOptions& options) {
  if (options.model.base_dtype) {
    quantize_plan(options);
  } else {
    check_method_dense_start(options.method);
  }
  if (!options.model.adapter) check_base_compute(options.model.base_compute, options.method);
  if (options.data.data == "-" && options.data.eval_data == std::filesystem::path("-")) {
    throw UsageError("--data and --eval-data both name standard input, which is read once",
                     "Give one of them as a file.");
  }
  const ScheduleConfig& rates = options.train.schedule;
  if (rates.head_learning_rate && rates.learning_rate == 0) {
    throw UsageError("--head-learning-rate goes beside a --learning-rate above 0, got 0",
                     "--method full --part head trains the head alone, at --learning-rate.");
  }
}

void check_evaluation(const TrainSession& session) {
  const TrainConfig& train = session.options.train;
  if (!train.keep_best && !train.eval_each_epoch) return;
  if (!session.eval_batches) {
    throw UsageError(
        std::string(train.keep_best ? "--keep-best" : "--eval-each-epoch") +
            " goes with data to evaluate on, and there are none",
        "Give --eval-data, or with labels --eval-share or --eval-shots of the training "
        "data.");
  }
  if (!train.keep_best || *train.keep_best == KeptMetric::kLoss) return;
  const TrainTask task = session.options.data.task;
  const std::vector<KeptMetric>& measured = rules_of(task).metrics;
  if (std::ranges::find(measured, *train.keep_best) != measured.end()) return;
  std::string allowed = "loss";
  for (const KeptMetric each : measured) allowed += ", " + std::string(enum_name(each));
  throw UsageError("--keep-best: got " + std::string(enum_name(*train.keep_best)) + ", --task " +
                       std::string(enum_name(task)) + " measures " + allowed,
                   "Choose one of them.");
}

// A head that is kept knows what its outputs were, whatever they are called now.
void tell_renamed_labels(const TrainSession& session, RunObserver& observer) {
  if (!session.head) return;
  const std::string renamed = renamed_labels(session.earlier_labels, session.head->names);
  const Model& model = session.model;
  const bool made = std::ranges::count(model.made, model.net->head().name() + ".weight") > 0;
  if (renamed.empty() || (made && !session.start_adapter)) return;
  const std::filesystem::path& holder =
      session.start_adapter ? *session.start_adapter : session.options.model.model;
  observer.warning("the head of " + std::to_string(session.head->labels) + " labels that " +
                   holder.string() + " holds is kept as the start, with other names for its " +
                   "outputs: " + renamed);
}

}  // namespace

TrainSession prepare_session(TrainOptions options, RunObserver& observer,
                             std::optional<at::ScalarType> begun) {
  check_options(options);
  static_cast<void>(chosen_dropout(options.train.model_dropout, {}));  // refuses other texts
  if (!options.recipe.empty()) {
    check_recipe_model(find_recipe(options.recipe), options.model.model);
  }
  if (options.run.resume && std::filesystem::exists(config_file(options.run.output))) {
    require_same_options(options);
  }
  TrainSession session;
  session.options = std::move(options);
  const TrainModelOptions& base = session.options.model;
  session.start_adapter = base.adapter;
  session.images = plan_images(session.options);
  if (!session.images) session.tokenizer = load_tokenizer(base.model);
  load_data(session, observer);
  check_evaluation(session);
  const std::optional<at::ScalarType> asked = scalar_type(base.dtype);
  LoadOptions load;
  load.dtype = asked ? asked : begun;
  load.check_finite = true;
  load.vocab_size = wanted_words(session);
  if (base.adapter) load.layer_replication = adapter_layer_ranges(*base.adapter);
  load.head = session.head;
  session.model = load_model(base_to_read(session.options), load);
  const DropoutRates rates =
      chosen_dropout(session.options.train.model_dropout, session.model.spec().dropout);
  session.model.arithmetic += arithmetic_additions(base.base_compute, rates);
  const std::string dropout = dropout_text(rates);
  if (!dropout.empty() && begun_before_model_dropout(session.options)) {
    throw ModelError(session.options.run.output.string() +
                         ": the run began without dropout of the model and would go on with " +
                         dropout,
                     "Give --model-dropout off.");
  }
  for (const std::string& warning : session.model.warnings) observer.warning(warning);
  if (!begun) {
    tell_renamed_labels(session, observer);
    if (base.resize_embeddings && session.model.added_words == 0) {
      observer.warning(
          "--resize-embeddings adds nothing: the tokenizer has no more tokens than "
          "the embedding has rows");
    }
  }
  check_vocabulary(session);
  rules_of(session.options.data.task).check_model(session, observer);
  check_lengths(session);
  const TrainConfig& train = session.options.train;
  session.total_steps =
      total_steps(train, train.max_steps ? 0 : session.batches->stream().total_batches());
  // Refuses a warm-up as long as the run before any work is done. A resumed run may have no step
  // left to do.
  if (!session.options.run.resume) {
    static_cast<void>(Schedule(session.options.train.schedule, session.total_steps));
  }
  return session;
}

}  // namespace svtune
