#include "train/session_data.h"

#include <array>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "adapter_files/adapter_file.h"
#include "adapter_files/adapter_head.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/tell_once.h"
#include "base/text_util.h"
#include "data/data_losses.h"
#include "data/masked_store.h"
#include "io/prompt_files.h"
#include "libtorch/prelude.h"
#include "train/labelled_data.h"

namespace svtune {
namespace {

BatchStream eval_stream(std::shared_ptr<const DocumentStore> store, const TrainConfig& config) {
  BatchStreamOptions stream = stream_options(config);
  stream.shuffle = false;
  stream.epochs = 1;
  return BatchStream(std::move(store), stream);
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
  if (!end.id && end.text.empty()) {
    const bool chat = prompt.style() == PromptStyle::kChat;
    warnings.emplace_back(
        std::string(chat ? "the chat template writes nothing behind an answer"
                         : "the tokenizer names no eos_token to end an answer with") +
        ": those of the trained model will go on to the limit");
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
  TellOnce tell_once([&observer](const std::string& text) { observer.warning(text); });
  const auto read = [&](const std::filesystem::path& path) {
    const auto store = std::make_shared<ExampleStore>(path, options.reading, encoder, progress);
    tell_once(data_losses(*store));
    tell_once(vain_options(*store, options.prompt, options.reading));
    return store;
  };
  session.data = read(options.data);
  if (options.eval_data) session.eval_data = read(*options.eval_data);
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

void check_language_model(const TrainSession& session, RunObserver&) {
  const Network& net = *session.model.net;
  if (net.is_language_model()) return;
  if (net.predicts_words()) {
    throw UsageError("the model finds hidden words and does not predict next ones",
                     "Give --task mask.");
  }
  throw UsageError("the model has a head of labels, not of words",
                   "Give --task classify, --task regress for numbers, or --task tag for words.");
}

// Every encoder can have the head; what was made of it is told.
void check_masked_model(const TrainSession& session, RunObserver& observer) {
  const Model& model = session.model;
  if (session.start_adapter || model.made.empty()) return;
  const bool biases = method_traits(session.options.method).biases_alone;
  observer.warning(model.path.string() + " holds no " + join(model.made, ", ") +
                   ": made from the seed, " +
                   (biases ? "of which the biases alone train" : "they train beside the method"));
}

void take_any_model(const TrainSession&, RunObserver&) {}

// An adapter that training goes on from brings its head along.
void check_adapter_head(const TrainOptions& options) {
  if (options.model.adapter) require_adapter_directory(*options.model.adapter);
  const TrainTask task = options.data.task;
  const HeadTask head = rules_of(task).head;
  if (!options.model.adapter || head == HeadTask::kNextToken) return;
  const auto earlier = adapter_head(options.model.model, *options.model.adapter);
  if (!earlier || earlier->task == head) return;
  const std::string does = earlier->task == HeadTask::kMasked  ? "finds hidden words"
                           : earlier->task == HeadTask::kToken ? "labels words"
                                                               : "labels documents";
  throw UsageError("--task " + std::string(enum_name(task)) + " cannot go on from " +
                       options.model.adapter->string() + ", whose head " + does,
                   "Merge it into its model with svtune merge, and train on that one.");
}

}  // namespace

const TaskRules& rules_of(TrainTask task) {
  using enum KeptMetric;
  static const std::array<TaskRules, 5> list = {{
      {TrainTask::kLanguage, HeadTask::kNextToken, load_language, check_language_model, {}},
      {TrainTask::kClassify,
       HeadTask::kDocument,
       load_labels,
       take_any_model,
       {kAccuracy, kF1, kMatthews}},
      {TrainTask::kRegress,
       HeadTask::kDocument,
       load_labels,
       take_any_model,
       {kPearson, kSpearman}},
      {TrainTask::kTag, HeadTask::kToken, load_labels, take_any_model, {kAccuracy, kF1, kMatthews}},
      {TrainTask::kMask, HeadTask::kMasked, load_masked, check_masked_model, {}},
  }};
  for (const TaskRules& each : list) {
    if (each.task == task) return each;
  }
  throw std::out_of_range("a task that is not in the list");
}

void load_data(TrainSession& session, RunObserver& observer) {
  check_adapter_head(session.options);
  rules_of(session.options.data.task).load(session, observer);
}

}  // namespace svtune
