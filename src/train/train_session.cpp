#include "train/train_session.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "adapter_files/adapter_file.h"
#include "adapter_files/adapter_head.h"
#include "adapter_files/adapter_vocabulary.h"
#include "attach/calibrate.h"
#include "attach/target_check.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/text_util.h"
#include "data/data_losses.h"
#include "data/masked_store.h"
#include "io/load_tokenizer.h"
#include "io/prompt_files.h"
#include "libtorch/prelude.h"
#include "linalg/user_svd_cache.h"
#include "train/labelled_data.h"
#include "train/quantize_plan.h"
#include "train/recipes/recipe.h"
#include "train/run_config.h"

namespace svtune {
namespace {

BatchStream eval_stream(std::shared_ptr<const DocumentStore> store, const TrainConfig& config) {
  BatchStreamOptions stream = stream_options(config);
  stream.shuffle = false;
  stream.epochs = 1;
  return BatchStream(std::move(store), stream);
}

void check_vocabulary(const TrainSession& session) {
  if (!session.tokenizer) return;
  if (session.tokenizer->vocab_size() > session.model.spec().vocab_size) {
    throw ModelError(
        "the tokenizer has ids up to " + std::to_string(session.tokenizer->vocab_size() - 1) +
            ", the model's embedding " + std::to_string(session.model.spec().vocab_size) + " rows",
        "Use the tokenizer that belongs to the model, or add the rows with --resize-embeddings.");
  }
}

// As many words as the run's model has, where these are not those that its base is stored with.
std::optional<std::int64_t> wanted_words(const TrainSession& session) {
  const TrainModelOptions& base = session.options.model;
  if (session.images || (!base.adapter && !base.resize_embeddings)) return std::nullopt;
  const DeclaredWords stored = stored_words(base.model, session.head);
  if (base.adapter) return adapter_vocab_size(*base.adapter, stored);
  return std::max<std::int64_t>(stored.count, session.tokenizer->vocab_size());
}

// The day that a resumed run began with, which its config.json keeps.
std::optional<std::string> first_day(const RunOptions& run) {
  const std::filesystem::path config = run.output / "config.json";
  if (!run.resume || !std::filesystem::exists(config)) return std::nullopt;
  const Json stored = read_json_file(config);
  const auto date = stored.find("date");
  if (date == stored.end() || !date->is_string()) return std::nullopt;
  return date->get<std::string>();
}

// An adapter or model that is trained further keeps its template unless another is named.
PromptTemplate prompt_of(const TrainSession& session, RunObserver& observer) {
  const TrainModelOptions& base = session.options.model;
  std::optional<TrainedPrompt> earlier;
  if (base.adapter) earlier = read_trained_prompt(*base.adapter);
  if (!earlier) earlier = read_trained_prompt(base.model);
  std::vector<std::string> warnings;
  PromptTemplate prompt = choose_prompt(session.options.data.prompt, *session.tokenizer,
                                        earlier ? &*earlier : nullptr, warnings);
  const TurnEnd end = turn_end(prompt, *session.tokenizer);
  if (prompt.style() == PromptStyle::kChat && !end.id && end.text.empty()) {
    warnings.emplace_back(
        "the chat template writes nothing behind an answer: those of the trained model will go on "
        "to the limit");
  }
  for (const std::string& notice : prompt.notices()) warnings.push_back(notice);
  for (const std::string& warning : warnings) observer.warning(warning);
  return prompt;
}

// `eval` may be null.
void set_batches(TrainSession& session, std::shared_ptr<const DocumentStore> train,
                 std::shared_ptr<const DocumentStore> eval) {
  const TrainConfig& config = session.options.train;
  session.batches =
      std::make_unique<StreamSource>(BatchStream(std::move(train), stream_options(config)));
  if (!eval) return;
  session.eval_batches = std::make_unique<StreamSource>(eval_stream(std::move(eval), config));
}

void load_labels(TrainSession& session, RunObserver& observer) {
  LabelledData data =
      load_labelled_data(session.options, session.tokenizer ? &*session.tokenizer : nullptr,
                         session.images ? &*session.images : nullptr, observer);
  session.labelled = std::move(data.train);
  session.eval_labelled = std::move(data.eval);
  session.head = std::move(data.head);
  session.earlier_labels = std::move(data.earlier_labels);
  set_batches(session, session.labelled, session.eval_labelled);
}

// Reads the training data, and what is held out where there is some.
void load_examples(TrainSession& session, const std::shared_ptr<const ExampleEncoder>& encoder,
                   RunObserver& observer) {
  const DataFileOptions& options = session.options.data;
  const auto progress = [&observer](std::int64_t done, std::int64_t total) {
    observer.progress(RunPhase::kData, done, total);
  };
  session.data = std::make_shared<ExampleStore>(options.data, options.reading, encoder, progress);
  for (const std::string& loss : data_losses(*session.data)) observer.warning(loss);
  if (!options.eval_data) return;
  session.eval_data =
      std::make_shared<ExampleStore>(*options.eval_data, options.reading, encoder, progress);
  for (const std::string& loss : data_losses(*session.eval_data)) observer.warning(loss);
}

void load_masked(TrainSession& session, RunObserver& observer) {
  const Tokenizer& tokenizer = *session.tokenizer;
  const auto seed = static_cast<std::uint64_t>(session.options.train.seed);
  const auto masks_of = [&](MaskedPart part) {
    return TokenMasks(tokenizer, session.options.data.masks, mask_seed(seed, part));
  };
  const TokenMasks masks = masks_of(MaskedPart::kTrain);
  const PromptTemplate raw({.style = PromptStyle::kRaw}, tokenizer);
  load_examples(
      session,
      std::make_shared<ExampleEncoder>(
          tokenizer, raw,
          EncodeOptions{.max_length = session.options.train.batch.max_length, .framed = true}),
      observer);
  session.head = NewHead{.task = HeadTask::kMasked, .seed = seed};
  std::shared_ptr<const DocumentStore> held_out;
  if (session.eval_data) {
    held_out = std::make_shared<MaskedStore>(session.eval_data, masks_of(MaskedPart::kHeldOut));
  }
  set_batches(session, std::make_shared<MaskedStore>(session.data, masks), std::move(held_out));
}

void load_language(TrainSession& session, RunObserver& observer) {
  DataFileOptions& data = session.options.data;
  if (!data.prompt.date) data.prompt.date = first_day(session.options.run);
  const PromptTemplate prompt = prompt_of(session, observer);
  session.prompt = trained_prompt(prompt, *session.tokenizer);
  const auto encoder =
      std::make_shared<ExampleEncoder>(*session.tokenizer, prompt,
                                       EncodeOptions{session.options.train.batch.max_length,
                                                     data.train_on_prompt, data.mask_history});
  // Of a template that asks for the day, config.json keeps the one that was used.
  data.prompt.date = encoder->prompt().date();
  load_examples(session, encoder, observer);
  set_batches(session, session.data, session.eval_data);
}

// An adapter that training goes on from brings its head along.
void check_adapter_head(const TrainOptions& options) {
  const TrainTask task = options.data.task;
  if (!options.model.adapter || task == TrainTask::kLanguage) return;
  const auto earlier = adapter_head(options.model.model, *options.model.adapter);
  const bool masked = task == TrainTask::kMask;
  if (!earlier || (earlier->task == HeadTask::kMasked) == masked) return;
  throw UsageError("--task " + std::string(enum_name(task)) + " cannot go on from " +
                       options.model.adapter->string() + ", whose head " +
                       (masked ? "gives labels" : "finds hidden words"),
                   "Merge it into its model with svtune merge, and train on that one.");
}

void load_data(TrainSession& session, RunObserver& observer) {
  check_adapter_head(session.options);
  const TrainTask task = session.options.data.task;
  if (task == TrainTask::kLanguage) return load_language(session, observer);
  if (task == TrainTask::kMask) return load_masked(session, observer);
  load_labels(session, observer);
}

// Whether the loaded model learns what the run is about, and with which tensors of no checkpoint.
void check_head(const TrainSession& session, RunObserver& observer) {
  const Model& model = session.model;
  if (session.options.data.task == TrainTask::kLanguage && !model.net->is_language_model()) {
    if (model.net->predicts_words()) {
      throw UsageError("the model finds hidden words and does not predict next ones",
                       "Give --task mask.");
    }
    throw UsageError("the model has a head of labels, not of words",
                     "Give --task classify, or --task regress for numbers.");
  }
  if (session.options.data.task != TrainTask::kMask || session.start_adapter) return;
  if (model.made.empty()) return;
  const bool biases = method_traits(session.options.method).biases_alone;
  observer.warning(model.path.string() + " holds no " + join(model.made, ", ") +
                   ": made from the seed, " +
                   (biases ? "of which the biases alone train" : "they train beside the method"));
}

void check_options(const TrainOptions& options) {
  if (options.model.base_dtype) {
    quantize_plan(options);
  } else {
    check_method_dense_start(options.method);
  }
  const bool trains_matrix = !options.model.adapter && method_traits(options.method).trains_matrix;
  if (options.model.base_compute != BaseCompute::kExact && trains_matrix) {
    throw UsageError("--base-compute int8 is for frozen matrices, --method " +
                         method_name(options.method) + " trains them",
                     "Leave it out, or take a method that trains beside the matrices.");
  }
  const ScheduleConfig& rates = options.train.schedule;
  if (rates.head_learning_rate && rates.learning_rate == 0) {
    throw UsageError("--head-learning-rate goes beside a --learning-rate above 0, got 0",
                     "--method full --part head trains the head alone, at --learning-rate.");
  }
}

// What a task measures beside its loss.
std::vector<KeptMetric> metrics_of(TrainTask task) {
  if (task == TrainTask::kClassify) {
    return {KeptMetric::kAccuracy, KeptMetric::kF1, KeptMetric::kMatthews};
  }
  if (task == TrainTask::kRegress) return {KeptMetric::kPearson, KeptMetric::kSpearman};
  return {};
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
  const std::vector<KeptMetric> measured = metrics_of(task);
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
  for (std::int64_t id = stored_words(session.options.model.model).count; id < vocab; ++id) {
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
  session.model.net->set_recompute(activations.max_memory ? RecomputePlan::all()
                                                          : activations.plan());
  return calibrate(session.model, options.method, targets, batches, calibration);
}

Attached attach_saved(TrainSession& session, RunObserver& observer) {
  const auto cache = session.options.run.svd_cache ? open_user_svd_cache() : nullptr;
  LoadedAdapter loaded =
      load_adapter(session.model, *session.start_adapter, cache ? &cache->svd : nullptr);
  for (const std::string& warning : loaded.warnings) observer.warning(warning);
  return adopt(session.model, std::move(loaded));
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
  load.head = session.head;
  session.model = load_model(base_to_read(session.options), load);
  if (base.base_compute != BaseCompute::kExact) {
    session.model.arithmetic += "; int8 products with the frozen matrices";
  }
  const std::string dropout = dropout_text(
      chosen_dropout(session.options.train.model_dropout, session.model.spec().dropout));
  if (!dropout.empty() && begun_before_model_dropout(session.options)) {
    throw ModelError(session.options.run.output.string() +
                         ": the run began without dropout of the model and would go on with " +
                         dropout,
                     "Give --model-dropout off.");
  }
  if (!dropout.empty()) session.model.arithmetic += "; dropout of the model: " + dropout;
  for (const std::string& warning : session.model.warnings) observer.warning(warning);
  if (!begun) tell_renamed_labels(session, observer);
  check_vocabulary(session);
  check_head(session, observer);
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

namespace {

Attached attach_new(TrainSession& session, bool initialise, RunObserver& observer,
                    const std::optional<AdapterRecord>& begun) {
  AttachOptions attach_options;
  attach_options.seed = session.options.train.seed;
  attach_options.initialise = initialise;
  attach_options.shapes_only = session.options.run.dry_run;
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

double tokens_per_step(const TrainSession& session) {
  const TrainConfig& train = session.options.train;
  const BatchStream& stream = session.batches->stream();
  const std::int64_t a_step = train.batch.gradient_accumulation;
  // A short run may have fewer micro-batches than a step would take.
  const std::int64_t micro = train.max_steps ? a_step : std::min(a_step, stream.total_batches());
  return stream.tokens_per_batch() * static_cast<double>(micro);
}

namespace {

// Mapped weights that products of the adapted model do not read.
std::vector<const Linear*> unread_weights(const TrainSession& session, Network& net) {
  std::vector<const Linear*> unread;
  if (session.options.model.base_dtype) return unread;
  const auto tokens = static_cast<std::int64_t>(session.batches->stream().tokens_per_batch());
  const bool all = session.options.model.base_compute != BaseCompute::kExact;
  for (const Linear* layer : net.linears()) {
    const BaseWeight& base = layer->base();
    if (!base.defined() || base.quantized()) continue;
    // Others are copies of what is stored.
    const auto stored = session.model.weights->dtype(layer->name() + ".weight");
    if (stored != base.stored().scalar_type()) continue;
    const bool replaced = layer->adapter() && !layer->adapter()->memory(tokens).reads_base;
    const bool in_int8 = all && layer != &net.head();
    if (replaced || in_int8) unread.push_back(layer);
  }
  return unread;
}

}  // namespace

void release_unread_weights(const TrainSession& session) {
  for (const Linear* layer : unread_weights(session, *session.model.net)) {
    session.model.weights->release(layer->name() + ".weight");
  }
}

MemoryRequest memory_request(const TrainSession& session, Network& net,
                             const AdapterSet& adapters) {
  // Images are all of one length, and would be decoded for nothing.
  const std::int64_t looked_at = session.images ? 1 : 512;
  const TrainConfig& config = session.options.train;
  const BatchExtent extent = survey(session.batches->stream(), config.batch.packing, looked_at);
  MemoryRequest request;
  request.weight_bytes = frozen_matrix_bytes(net, session.options, dense_modules(session.model));
  for (const Linear* layer : unread_weights(session, net)) {
    request.weight_bytes -= static_cast<std::uint64_t>(layer->base().nbytes());
  }
  request.weight_bytes += input_bytes(net);
  request.batch_tokens = extent.tokens;
  request.supervised_tokens = extent.supervised;
  request.longest_document = extent.longest_document;
  request.recompute = config.activations.plan();
  request.dropout = chosen_dropout(config.model_dropout, net.spec().dropout);
  add_adapters(request, net, adapters);
  return request;
}

MemoryForecast forecast_memory(const TrainSession& session, const Attached& attached) {
  Network& net = *session.model.net;
  return predict_memory(net, memory_request(session, net, attached.adapters));
}

}  // namespace svtune
