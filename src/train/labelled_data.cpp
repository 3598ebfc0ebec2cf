#include "train/labelled_data.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "adapter_files/adapter_head.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/tell_once.h"
#include "base/text_util.h"
#include "data/image_store.h"
#include "data/labelled_sample.h"
#include "data/labelled_store.h"
#include "data/tagged_records.h"
#include "data/tagged_store.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr int kMostDecoders = 8;  // threads
constexpr const char* kOtherClasses =
    "--labels data learns the classes of the data, with a new head where their number is another.";

// What the model's config.json says of its classes.
struct StoredLabels {
  std::string source;
  std::vector<std::string> names;   // in the order of the ids; empty: none, or placeholders
  std::size_t unnamed_outputs = 0;  // of a head that has placeholders
  std::string other_head;           // the class of a head that labels something else
  bool several = false;             // a head whose outputs each say yes or no
  bool unread = false;              // names that are not those of the ids from 0 on
};

// What the file's class is called where it has a head.
std::string class_of(const Json& config) {
  const auto classes = config.find("architectures");
  const bool given = classes != config.end() && classes->is_array() && !classes->empty() &&
                     classes->front().is_string();
  return given ? classes->front().get<std::string>() : "";
}

// `words`: the head is to label these.
StoredLabels stored_labels(const std::filesystem::path& model, bool words) {
  StoredLabels stored;
  const std::filesystem::path file = model / "config.json";
  stored.source = file.string();
  if (!std::filesystem::is_directory(model) || !std::filesystem::exists(file)) return stored;
  const Json config = read_json_file(file);
  const std::string name = class_of(config);
  const char* const kinds[] = {"SequenceClassification", "TokenClassification"};
  const bool headed =
      name.ends_with(kinds[words ? 1 : 0]) || (!words && name.ends_with("ImageClassification"));
  // What it labels is something else, and its layers may have the names of the new head's.
  for (const char* other : {kinds[words ? 0 : 1], "MultipleChoice", "QuestionAnswering"}) {
    if (!name.ends_with(other)) continue;
    stored.other_head = name;
    return stored;
  }
  stored.several =
      headed && config.value("problem_type", Json()) == Json("multi_label_classification");
  stored.names = id2label_names(config);
  const auto named = config.find("id2label");
  stored.unread = headed && stored.names.empty() && named != config.end() && !named->empty();
  if (!are_placeholders(stored.names)) return stored;
  // Configurations of models without a head may hold placeholders too.
  if (headed) stored.unnamed_outputs = stored.names.size();
  stored.names.clear();
  return stored;
}

// `every`: no class may be without a record.
LabelSet named_by_model(const StoredLabels& stored, const LabelledRecords& records, bool every) {
  try {
    LabelSet labels(stored.names);
    if (every) require_every_class(records, labels);
    class_counts(records, labels);  // refuses unknown ones
    return labels;
  } catch (FileError& error) {
    error.add_to_hint("The classes are those of id2label in " + stored.source + ". " +
                      kOtherClasses);
    throw;
  } catch (const UsageError& error) {  // the same name twice
    throw FileError(stored.source, std::string("id2label: ") + error.what(),
                    std::string("Name the classes with --labels. ") + kOtherClasses);
  }
}

LabelSet named_by_data(const StoredLabels& stored, const LabelledRecords& records) {
  LabelSet labels = LabelSet::of(records);
  const std::size_t outputs = stored.unnamed_outputs;
  if (outputs == 0 || static_cast<std::int64_t>(outputs) == labels.size()) return labels;
  if (outputs == 1) {
    throw FileError(stored.source,
                    "the model's head gives one number, " + records.name + " has " +
                        std::to_string(labels.size()) + " classes",
                    kOtherClasses);
  }
  throw FileError(stored.source,
                  "the model's head has " + std::to_string(outputs) + " classes without names, " +
                      records.name + " has " + std::to_string(labels.size()),
                  std::string("Name those of the head with --labels. ") + kOtherClasses);
}

// Of the head that training goes on from: an adapter's takes the place of the model's own.
StoredLabels earlier_labels(const TrainOptions& options, const std::optional<NewHead>& earlier) {
  StoredLabels stored = stored_labels(options.model.model, options.data.task == TrainTask::kTag);
  if (earlier && static_cast<std::int64_t>(stored.names.size()) != earlier->labels) {
    stored.names.clear();
    stored.unnamed_outputs = static_cast<std::size_t>(earlier->labels);
  }
  return stored;
}

// A head that is kept as the start though it was trained for something else.
void tell_other_use(const StoredLabels& stored, RunObserver& observer) {
  if (!stored.other_head.empty()) {
    observer.warning(stored.source + " is of a " + stored.other_head +
                     ": layers of its head that have the names and shapes of the new one's are " +
                     "its start");
  }
  if (stored.unread) {
    observer.warning(stored.source +
                     ": id2label does not name the ids 0, 1, ... by words and is not used: which "
                     "output is which class is taken from the data, or from --labels");
  }
  if (stored.several) {
    observer.warning(stored.source +
                     " is of a head whose outputs each say yes or no (multi_label_classification): "
                     "it is learned further with one class for each record");
  }
}

std::vector<std::string> placeholders(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back("LABEL_" + std::to_string(i));
  return names;
}

LabelSet choose_labels(const std::vector<std::string>& given, const StoredLabels& stored,
                       const std::optional<NewHead>& earlier, const LabelledRecords& records,
                       bool every) {
  // One name alone is no set of classes.
  if (given == std::vector<std::string>{"data"}) return LabelSet::of(records);
  if (!given.empty()) return LabelSet(given_labels(given));
  if (earlier && !are_placeholders(earlier->names)) return LabelSet(earlier->names);
  return stored.names.empty() ? named_by_data(stored, records)
                              : named_by_model(stored, records, every);
}

[[noreturn]] void refuse_head(const TrainOptions& options, std::int64_t outputs,
                              const std::string& wanted) {
  throw UsageError("the head of " + options.model.adapter->string() + " has " +
                       std::to_string(outputs) + (outputs == 1 ? " output, " : " outputs, ") +
                       wanted,
                   "Merge the adapter into its model with svtune merge, and train on that one; "
                   "there --labels data makes a new head for other classes.");
}

// Records, with the pixels of those that are no files.
struct Part {
  LabelledRecords records;
  std::shared_ptr<const IdxImages> idx;
  bool is_table = true;
};

struct Parts {
  Part train;
  std::optional<Part> eval;
};

ImageOptions reading_of(const DataFileOptions& data) {
  ImageOptions reading = data.images;
  reading.table = data.labelled;
  reading.table.skip_bad_lines = data.reading.skip_bad_lines;
  return reading;
}

Part read_part(const std::filesystem::path& path, const ImageOptions& reading, TrainTask task,
               bool images) {
  if (task == TrainTask::kTag) return {read_tagged(path, reading.table), nullptr};
  if (!images) return {read_labelled(path, reading.table), nullptr};
  ImageRecords read = read_images(path, reading);
  const bool is_table = read.is_table();
  return {std::move(read.table), std::move(read.idx), is_table};
}

// Broken images are not chosen where they are left out anyhow; elsewhere they end the start.
RecordCheck check_of(const TrainOptions& options, const ImagePlan* images, const Part& part) {
  if (images == nullptr || !options.data.reading.skip_bad_lines) return {};
  const ImageRecords source{part.records.without_records(), part.idx};
  return {[source, images](const LabelledRecord& record) {
            return image_problem(source, record, images->preprocessing);
          },
          std::min(kMostDecoders, at::get_num_threads())};
}

// A class may be so rare that chance holds out all of it.
void require_learnable(const LabelledRecords& train, const LabelledRecords& held_out) {
  std::set<std::string> learnt;
  for (const LabelledRecord& record : train.records) learnt.insert(record.label);
  for (const LabelledRecord& record : held_out.records) {
    if (learnt.contains(record.label)) continue;
    throw FileError(train.name,
                    "--eval-share holds out every record of the class \"" + record.label +
                        "\", so that it cannot be learned",
                    "Give another --seed, a smaller share, or --eval-shots, which takes as many of "
                    "each class.");
  }
}

// A head learnt on texts alone says nothing of pairs, nor the other way round.
void require_same_form(const LabelledRecords& train, const LabelledRecords& eval) {
  const auto has_pairs = [](const LabelledRecords& records) {
    return !records.records.empty() && records.records.front().second.has_value();
  };
  const bool pairs = has_pairs(train);
  if (pairs == has_pairs(eval)) return;
  const auto said = [](const LabelledRecords& records, bool paired) {
    return std::string(paired ? "pairs of texts (" : "single texts (") + records.text_columns + ")";
  };
  throw FileError(eval.name,
                  "holds " + said(eval, !pairs) + ", " + train.name + " " + said(train, pairs),
                  "Name the columns of both with --text-columns, or give evaluation data of the "
                  "same form.");
}

Parts read_parts(const TrainOptions& options, const ImagePlan* images) {
  const DataFileOptions& data = options.data;
  const ImageOptions reading = reading_of(data);
  Parts parts{read_part(data.data, reading, data.task, images != nullptr), std::nullopt};
  if (data.eval_data) {
    parts.eval = read_part(*data.eval_data, reading, data.task, images != nullptr);
    require_same_form(parts.train.records, parts.eval->records);
  }
  if (!parts.train.is_table && !(data.eval_data && parts.eval->is_table)) {
    refuse_table_options(reading, data.data);
  }
  return parts;
}

// Takes what is held out or not chosen from what is learned. Labels are spelled as classes are.
void divide(Parts& parts, const TrainOptions& options, const ImagePlan* images) {
  const DataFileOptions& data = options.data;
  const auto seed = static_cast<std::uint64_t>(options.train.seed);
  LabelledRecords& records = parts.train.records;
  if (!data.eval_data && data.eval_share > 0) {
    parts.eval = Part{hold_out(records, data.eval_share, seed), parts.train.idx};
    if (data.task == TrainTask::kClassify) require_learnable(records, parts.eval->records);
  }
  if (data.sample.shots || data.sample.eval_shots) {
    const RecordCheck check = check_of(options, images, parts.train);
    LabelledRecords others = take_shots(records, data.sample, seed, check);
    if (data.sample.eval_shots) parts.eval = Part{std::move(others), parts.train.idx};
  }
}

// Reads one part whole: tokens of texts, pixels of images.
class PartLoader {
 public:
  using Documents = std::shared_ptr<const LabelledDocuments>;

  PartLoader(const TrainOptions& options, const Tokenizer* tokenizer, const ImagePlan* images,
             RunObserver& observer)
      : options_(options),
        tokenizer_(tokenizer),
        images_(images),
        observer_(observer),
        tell_once_([&observer](const std::string& text) { observer.warning(text); }) {}

  Documents load(Part part, const std::optional<LabelSet>& labels) {
    const Documents loaded = images_ ? load_images(std::move(part), labels)
                                     : load_texts(std::move(part.records), labels);
    observer_.note(loaded->summary());
    tell_once_(loaded->losses());
    return loaded;
  }

 private:
  Documents load_texts(LabelledRecords records, const std::optional<LabelSet>& labels) const {
    if (options_.data.task == TrainTask::kTag) {
      return std::make_shared<TaggedStore>(
          std::move(records), *tokenizer_, labels.value(),
          TaggedStoreOptions{options_.train.batch.max_length, options_.data.reading.skip_bad_lines},
          progress());
    }
    LabelledStoreOptions store;
    store.max_length = options_.train.batch.max_length;
    store.labels = labels;
    store.skip_bad_lines = options_.data.reading.skip_bad_lines;
    return std::make_shared<LabelledStore>(std::move(records), *tokenizer_, std::move(store),
                                           progress());
  }

  Documents load_images(Part part, const std::optional<LabelSet>& labels) const {
    ImageStoreOptions store;
    store.preprocessing = images_->preprocessing;
    store.tokens_per_image = images_->tokens;
    store.labels = labels;
    store.skip_bad_lines = options_.data.reading.skip_bad_lines;
    store.threads = std::min(kMostDecoders, at::get_num_threads());
    return std::make_shared<ImageStore>(ImageRecords{std::move(part.records), std::move(part.idx)},
                                        std::move(store), progress());
  }

  std::function<void(std::int64_t, std::int64_t)> progress() const {
    return [this](std::int64_t done, std::int64_t total) {
      observer_.progress(RunPhase::kData, done, total);
    };
  }

  const TrainOptions& options_;
  const Tokenizer* tokenizer_;
  const ImagePlan* images_;
  RunObserver& observer_;
  TellOnce tell_once_;
};

// Of a small set of texts some tags may be missing (I-X, where no span has two words), or stand
// only at words that are cut or have no token.
void tell_missing_tags(const LabelledDocuments& texts, RunObserver& observer) {
  const LabelSet& labels = *texts.labels();
  std::vector<bool> learnt(static_cast<std::size_t>(labels.size()));
  for (std::int64_t i = 0; i < texts.size(); ++i) {
    const LabelledRecord& record = texts.records().records[static_cast<std::size_t>(i)];
    for (const std::uint32_t word : *texts.learnt_words(i)) {
      learnt[static_cast<std::size_t>(labels.find(record.tags[word]).value())] = true;
    }
  }
  std::vector<std::string> missing;
  for (std::size_t i = 0; i < learnt.size(); ++i) {
    if (!learnt[i]) missing.push_back(labels.names()[i]);
  }
  if (missing.empty()) return;
  observer.warning(texts.records().name + ": no word to learn has the class " +
                   join_some(missing, ", ") + ", which stays unknown");
}

}  // namespace

LabelledData load_labelled_data(const TrainOptions& options, const Tokenizer* tokenizer,
                                const ImagePlan* images, RunObserver& observer) {
  Parts parts = read_parts(options, images);
  std::optional<NewHead> earlier;
  if (options.model.adapter) earlier = adapter_head(options.model.model, *options.model.adapter);
  std::optional<LabelSet> labels;
  LabelledData data;
  data.head.labels = 1;
  data.head.seed = static_cast<std::uint64_t>(options.train.seed);
  const bool tags = options.data.task == TrainTask::kTag;
  if (tags) data.head.task = HeadTask::kToken;
  if (options.data.task != TrainTask::kRegress) {
    if (!tags && earlier && earlier->labels == 1) refuse_head(options, 1, "which gives a number");
    StoredLabels stored = earlier_labels(options, earlier);
    const LabelledRecords words = tags ? tagged_words(parts.train.records) : LabelledRecords();
    labels = choose_labels(options.data.labels, stored, earlier, tags ? words : parts.train.records,
                           !tags);
    if (!tags) spell_as_classes(parts.train.records, *labels);
    for (const std::string& doubt : doubtful_labels(*labels)) {
      observer.warning(parts.train.records.name + ": " + doubt);
    }
    data.head.labels = labels->size();
    data.head.names = labels->names();
    const bool named = earlier && !are_placeholders(earlier->names);
    data.earlier_labels = named ? earlier->names : std::move(stored.names);
    if (data.earlier_labels.empty()) data.earlier_labels = placeholders(stored.unnamed_outputs);
    if (!earlier) tell_other_use(stored, observer);
  }
  if (earlier && earlier->labels != data.head.labels) {
    refuse_head(options, earlier->labels,
                options.data.data.string() + " needs " + std::to_string(data.head.labels));
  }
  divide(parts, options, images);
  const bool every = labels && !tags;
  if (every) require_every_class(parts.train.records, *labels);
  PartLoader loader(options, tokenizer, images, observer);
  data.train = loader.load(std::move(parts.train), labels);
  if (tags) tell_missing_tags(*data.train, observer);
  // Broken images may have been all that a class had.
  if (every) require_every_class(data.train->records(), *labels);
  if (parts.eval) data.eval = loader.load(std::move(*parts.eval), labels);
  return data;
}

}  // namespace svtune
