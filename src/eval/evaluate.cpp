#include "eval/evaluate.h"

#include <algorithm>
#include <concepts>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/errors.h"
#include "base/text_util.h"
#include "data/data_losses.h"
#include "data/image_store.h"
#include "data/labelled_store.h"
#include "data/tagged_records.h"
#include "data/tagged_store.h"
#include "data/trained_prompt.h"
#include "eval/document_lengths.h"
#include "io/load_tokenizer.h"
#include "io/preprocessor_file.h"
#include "libtorch/prelude.h"
#include "nn/row_route.h"

namespace svtune {

double Score::figure(std::string_view name) const {
  for (const Figure& each : figures) {
    if (each.name == name) return each.value;
  }
  throw std::out_of_range("no figure " + std::string(name));
}

namespace {

constexpr int kMostDecoders = 8;  // threads

std::int64_t count_of(const EvalOptions& options, std::int64_t size) {
  return options.limit > 0 ? std::min(options.limit, size) : size;
}

// Where a document stands, and the adapter that it goes through.
struct Route {
  std::string place;
  std::int32_t adapter = 0;
};

Route route_of(const LoadedModel& loaded, const ExampleStore& data, std::int64_t i,
               std::int32_t otherwise) {
  const std::string place = place_of(data, i);
  return {place, loaded.adapter_of(data.record(i), place, otherwise)};
}

Route route_of(const LoadedModel& loaded, const LabelledRecords& data, std::int64_t i,
               std::int32_t otherwise) {
  const LabelledRecord& record = data.records[static_cast<std::size_t>(i)];
  const std::string place = data.place(record), name = record.adapter;
  return {place, name.empty() ? otherwise : loaded.adapter_called(name, place)};
}

// Of the first `count` documents; none where they name no adapters.
template <class Data>
std::vector<std::int32_t> adapters_of(const LoadedModel& loaded, const Data& data,
                                      std::int64_t count, std::int32_t otherwise) {
  std::vector<std::int32_t> adapters;
  for (std::int64_t i = 0; loaded.routed() && i < count; ++i) {
    const Route route = route_of(loaded, data, i, otherwise);
    // Beside adapters with heads of their own there is none for the model alone.
    if (route.adapter == kNoAdapter && !loaded.model.net->is_language_model()) {
      throw FileError(route.place,
                      "\"adapter\" is null, but the model alone is not measured beside adapters "
                      "with heads of their own",
                      "Name an adapter, or evaluate the model without --adapter.");
    }
    adapters.push_back(route.adapter);
  }
  return adapters;
}

// Adapters that a command line names and no record does. A library's session may have them for
// other calls.
void tell_unnamed_adapters(const LoadedModel& loaded, const std::vector<std::int32_t>& adapters,
                           const EvalOptions& options, EvalObserver& observer) {
  if (options.given.empty()) return;
  std::vector<std::string> unnamed;
  for (std::size_t i = 0; i < loaded.adapter_names.size(); ++i) {
    const bool used = std::ranges::count(adapters, static_cast<std::int32_t>(i)) > 0;
    if (!used) unnamed.push_back(loaded.adapter_names[i]);
  }
  if (unnamed.empty()) return;
  observer.warning("no record that is measured goes through " + join_some(unnamed, ", ") +
                   ": records name their adapter in a field \"" + kAdapterField +
                   "\", and go through " + loaded.adapter_names[0] + " without it");
}

std::vector<Network*> nets_of(const LoadedModel& loaded) {
  std::vector<Network*> nets;
  for (const Model* model : loaded.models()) nets.push_back(model->net.get());
  return nets;
}

template <class Task>
Score evaluate_language(const Task& task, LoadedModel& loaded, const Tokenizer& tokenizer,
                        const EvalOptions& options, EvalObserver& observer) {
  std::vector<std::string> warnings;
  const PromptTemplate prompt =
      choose_prompt(options.prompt, tokenizer, loaded.trained_prompt(), warnings);
  for (const std::string& warning : warnings) observer.warning(warning);
  for (const std::string& notice : prompt.notices()) observer.warning(notice);
  const auto encoder = std::make_shared<ExampleEncoder>(tokenizer, prompt, encoding_of(task));
  const ExampleStore data(options.data, options.reading, encoder);
  const std::string_view field = loaded.routed() ? kAdapterField : "";
  for (const std::string& loss : data_losses(data, field)) observer.warning(loss);
  for (const std::string& vain : vain_options(data, options.prompt, options.reading)) {
    observer.warning(vain);
  }
  const std::int64_t count = count_of(options, data.size());
  // Others cut nothing, and read no more than the questions.
  if constexpr (requires { task.max_length; }) {
    require_positions(*loaded.model.net, data, count, options.data.string());
  }
  const bool language = loaded.model.net->is_language_model();
  std::vector<std::int32_t> adapters = adapters_of(loaded, data, count, options.adapter);
  tell_unnamed_adapters(loaded, adapters, options, observer);
  const EvalInput input{*loaded.model.net,
                        data,
                        count,
                        options.batch_size,
                        answer_ends(loaded.model.path, tokenizer, prompt),
                        observer,
                        std::move(adapters),
                        language ? std::vector<Network*>() : nets_of(loaded)};
  return run_task(task, input);
}

// Options and data that are meant for models of the other kind.
void check_kind(const LabelTask& task, const LoadedModel& loaded, const EvalOptions& options) {
  const bool images = loaded.model.spec().image.has_value();
  const std::string reads = images ? "images" : "text", model = loaded.model.path.string();
  const auto refuse = [&](const std::string& option) {
    throw UsageError(option + " applies only to models that read " + (images ? "text" : "images") +
                         " (" + model + " reads " + reads + ")",
                     "Leave it out, or give another --model.");
  };
  if (images && !task.reading.text_columns.empty()) refuse("--text-columns");
  const bool limited = task.max_length != LabelTask::kMaxLength ||
                       std::ranges::count(options.given, std::string("max_length")) > 0;
  if (images && limited) refuse("--max-length");
  if (!images && !task.images.image_column.empty()) refuse("--image-column");
  if (!images && std::filesystem::is_directory(options.data)) {
    throw UsageError(
        "--data " + options.data.string() + " is a folder of images, but " + model + " reads text",
        "Give a file of texts, or a model that reads images (ViT, DINOv2, CLIP).");
  }
}

// What is not measured is neither encoded nor decoded, nor judged. Where bad records are left out
// others take their places.
void keep_measured(LabelledRecords& records, const EvalOptions& options) {
  const auto most = static_cast<std::size_t>(options.limit);
  const bool known = most > 0 && !options.reading.skip_bad_lines;
  if (known && records.records.size() > most) records.records.resize(most);
}

std::unique_ptr<LabelledDocuments> read_documents(const LabelTask& task,
                                                  std::optional<LabelSet> labels,
                                                  const LoadedModel& loaded,
                                                  const Tokenizer* tokenizer,
                                                  const EvalOptions& options) {
  const Model& model = loaded.model;
  LabelledOptions reading = task.reading;
  reading.skip_bad_lines = options.reading.skip_bad_lines;
  if (loaded.routed()) reading.adapter_column = kAdapterField;
  const std::optional<ImageInput>& image = model.spec().image;
  if (model.spec().task == HeadTask::kToken) {
    LabelledRecords texts = read_tagged(options.data, reading);
    keep_measured(texts, options);
    return std::make_unique<TaggedStore>(
        std::move(texts), *tokenizer, std::move(labels.value()),
        TaggedStoreOptions{task.max_length, reading.skip_bad_lines});
  }
  if (!image) {
    LabelledRecords records = read_labelled(options.data, reading);
    keep_measured(records, options);
    return std::make_unique<LabelledStore>(
        std::move(records), *tokenizer,
        LabelledStoreOptions{task.max_length, std::move(labels), reading.skip_bad_lines});
  }
  ImageOptions table = task.images;
  table.table = reading;
  ImageStoreOptions store;
  store.preprocessing =
      preprocessing_for(model.preprocessor, *image, preprocessor_path(model.path).string());
  const ImageSize size = output_size(store.preprocessing);
  store.tokens_per_image = image_tokens(*image, size.height, size.width);
  store.labels = std::move(labels);
  store.skip_bad_lines = reading.skip_bad_lines;
  store.threads = std::min(kMostDecoders, at::get_num_threads());
  ImageRecords images = read_images(options.data, table);
  if (!images.is_table()) refuse_table_options(table, options.data);
  keep_measured(images.table, options);
  return std::make_unique<ImageStore>(std::move(images), std::move(store));
}

// Images are prepared once for all adapters.
void check_preprocessing(const LoadedModel& loaded) {
  for (std::size_t i = 0; i < loaded.apart.size(); ++i) {
    if (loaded.apart[i].model.preprocessor == loaded.model.preprocessor) continue;
    throw UsageError(loaded.adapter_names[i + 1] +
                         " was trained on images prepared in another way "
                         "than those of " +
                         loaded.adapter_names[0],
                     "Evaluate them in turn.");
  }
}

Score evaluate_labels(const LabelTask& task, std::optional<LabelSet> labels, LoadedModel& loaded,
                      const Tokenizer* tokenizer, const EvalOptions& options,
                      EvalObserver& observer) {
  check_kind(task, loaded, options);
  check_preprocessing(loaded);
  const auto data = read_documents(task, std::move(labels), loaded, tokenizer, options);
  for (const std::string& loss : data->losses()) observer.warning(loss);
  const std::int64_t count = count_of(options, data->size());
  require_positions(*loaded.model.net, *data, count, options.data.string());
  LabelInput input{nets_of(loaded), *data, count, options.batch_size, observer};
  if (!loaded.model.net->is_language_model()) {
    input.adapters = adapters_of(loaded, data->records(), input.count, options.adapter);
    tell_unnamed_adapters(loaded, input.adapters, options, observer);
  }
  return run_label_task(task, input);
}

// The classes that all adapters' models give; none of numbers.
template <class Task>
std::optional<LabelSet> common_labels(const Task& task, const LoadedModel& loaded) {
  const std::optional<LabelSet> labels = labels_of(task, loaded.model);
  for (std::size_t i = 0; labels && i < loaded.apart.size(); ++i) {
    const std::optional<LabelSet> others = labels_of(task, loaded.apart[i].model);
    if (others->names() == labels->names()) continue;
    throw UsageError("the classes of " + loaded.adapter_names[i + 1] + " are " +
                         join_some(others->names(), ", ") + ", those of " +
                         loaded.adapter_names[0] + " " + join_some(labels->names(), ", ") +
                         ": no score is of both",
                     "Evaluate them in turn.");
  }
  return labels;
}

// Which may be meant, where the data call the classes otherwise, or a wrong order.
void tell_renamed_labels(const std::vector<std::string>& names, const Model& model,
                         EvalObserver& observer) {
  const std::vector<std::string> stored = id2label_names(model.config);
  if (are_placeholders(stored)) return;
  const std::string renamed = renamed_labels(stored, names);
  if (renamed.empty()) return;
  observer.warning("--labels calls the outputs of " + model.path.string() +
                   " otherwise than its config.json or the adapter does: " + renamed);
}

// Tasks of prompts and answers are of models that write; classes of words would pass for words.
void require_language_model(std::string_view task, const LoadedModel& loaded) {
  for (const Model* model : loaded.models()) {
    const HeadTask head = model->spec().task;
    if (head == HeadTask::kNextToken) continue;
    const bool documents = head == HeadTask::kDocument, words = head == HeadTask::kToken;
    throw UsageError("--task " + std::string(task) + " needs a language model; the head of " +
                         model->path.string() +
                         (documents ? " labels documents"
                          : words   ? " labels words"
                                    : " finds hidden words"),
                     documents ? "Give --task classify, or --task regress for numbers."
                     : words   ? "Give --task tag."
                               : "Give --task mask.");
  }
}

struct Evaluation {
  LoadedModel& loaded;
  const Tokenizer* tokenizer;
  const EvalOptions& options;
  EvalObserver& observer;

  template <std::derived_from<LabelTask> Task>
  Score operator()(const Task& task) const {
    if constexpr (requires { task.labels; }) {
      for (const Model* model : loaded.models()) {
        tell_renamed_labels(task.labels, *model, observer);
      }
    }
    return evaluate_labels(task, common_labels(task, loaded), loaded, tokenizer, options, observer);
  }
  template <class Task>
  Score operator()(const Task& task) const {
    if constexpr (requires { check_model(task, loaded, tokenizer); }) {
      check_model(task, loaded, tokenizer);
    }
    if (tokenizer == nullptr) {
      throw UsageError(loaded.model.path.string() + " reads images and knows no words",
                       "Give --task classify, or --task regress for numbers.");
    }
    if constexpr (requires { Task::kPrompted; }) require_language_model(Task::kName, loaded);
    return evaluate_language(task, loaded, *tokenizer, options, observer);
  }
};

template <class Task>
void add_if_prompted(std::string& names) {
  if constexpr (requires { Task::kPrompted; }) {
    names += (names.empty() ? "" : "|") + std::string(Task::kName);
  }
}

template <class... Tasks>
std::string prompted_names(std::type_identity<std::variant<Tasks...>> /*list*/) {
  std::string names;
  (add_if_prompted<Tasks>(names), ...);
  return names;
}

}  // namespace

FieldCondition with_prompted_task() {
  static const std::string names = prompted_names(std::type_identity<EvalTask>{});
  return only_with("task", names);
}

Score evaluate(LoadedModel& loaded, const Tokenizer* tokenizer, const EvalOptions& options,
               EvalObserver& observer) {
  return std::visit(Evaluation{loaded, tokenizer, options, observer}, options.task);
}

std::optional<Tokenizer> tokenizer_for(const LoadedModel& loaded) {
  if (loaded.model.spec().image) return std::nullopt;
  return load_tokenizer(loaded.model.path);
}

}  // namespace svtune
