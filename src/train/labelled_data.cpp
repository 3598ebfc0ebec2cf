#include "train/labelled_data.h"

#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "adapter_files/adapter_head.h"
#include "base/errors.h"
#include "base/json.h"
#include "data/image_store.h"
#include "data/labelled_sample.h"
#include "data/labelled_store.h"

namespace svtune {
namespace {

// id2label in the order of the ids; empty where the model says nothing of its classes.
std::vector<std::string> stored_names(const std::filesystem::path& model) {
  const std::filesystem::path file = model / "config.json";
  if (!std::filesystem::is_directory(model) || !std::filesystem::exists(file)) return {};
  const std::vector<std::string> names = id2label_names(read_json_file(file));
  return are_placeholders(names) ? std::vector<std::string>{} : names;
}

LabelSet choose_labels(const TrainOptions& options, const std::optional<NewHead>& earlier,
                       const LabelledRecords& records) {
  if (!options.data.labels.empty()) return LabelSet(options.data.labels);
  if (earlier && !are_placeholders(earlier->names)) return LabelSet(earlier->names);
  std::vector<std::string> names = stored_names(options.model.model);
  return names.empty() ? LabelSet::of(records) : LabelSet(std::move(names));
}

// Records, with the pixels of those that are no files.
struct Part {
  LabelledRecords records;
  std::shared_ptr<const IdxImages> idx;
};

struct Parts {
  Part train;
  std::optional<Part> eval;
};

Part read_part(const std::filesystem::path& path, const TrainOptions& options, bool images) {
  LabelledOptions reading = options.data.labelled;
  reading.skip_bad_lines = options.data.reading.skip_bad_lines;
  if (!images) return {read_labelled(path, reading), nullptr};
  ImageOptions table = options.data.images;
  table.table = reading;
  ImageRecords read = read_images(path, table);
  return {std::move(read.table), std::move(read.idx)};
}

Parts read_parts(const TrainOptions& options, bool images) {
  const DataFileOptions& data = options.data;
  const auto seed = static_cast<std::uint64_t>(options.train.seed);
  Parts parts{read_part(data.data, options, images), std::nullopt};
  LabelledRecords& records = parts.train.records;
  if (data.eval_data) {
    parts.eval = read_part(*data.eval_data, options, images);
  } else if (data.eval_share > 0) {
    parts.eval = Part{hold_out(records, data.eval_share, seed), parts.train.idx};
  }
  if (data.sample.shots || data.sample.eval_shots) {
    LabelledRecords others = take_shots(records, data.sample, seed);
    if (data.sample.eval_shots) parts.eval = Part{std::move(others), parts.train.idx};
  }
  return parts;
}

// Reads one part whole: tokens of texts, pixels of images.
class PartLoader {
 public:
  using Documents = std::shared_ptr<const LabelledDocuments>;

  PartLoader(const TrainOptions& options, const Tokenizer* tokenizer, const ImagePlan* images,
             RunObserver& observer)
      : options_(options), tokenizer_(tokenizer), images_(images), observer_(observer) {}

  Documents load(Part part, const std::optional<LabelSet>& labels) const {
    const Documents loaded = images_ ? load_images(std::move(part), labels)
                                     : load_texts(std::move(part.records), labels);
    observer_.note(loaded->summary());
    for (const std::string& loss : loaded->losses()) observer_.warning(loss);
    return loaded;
  }

 private:
  Documents load_texts(LabelledRecords records, const std::optional<LabelSet>& labels) const {
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
};

}  // namespace

LabelledData load_labelled_data(const TrainOptions& options, const Tokenizer* tokenizer,
                                const ImagePlan* images, RunObserver& observer) {
  Parts parts = read_parts(options, images != nullptr);
  std::optional<NewHead> earlier;
  if (options.model.adapter) earlier = adapter_head(options.model.model, *options.model.adapter);
  std::optional<LabelSet> labels;
  LabelledData data;
  data.head.labels = 1;
  data.head.seed = static_cast<std::uint64_t>(options.train.seed);
  if (options.data.task == TrainTask::kClassify) {
    labels = choose_labels(options, earlier, parts.train.records);
    require_every_class(parts.train.records, *labels);
    data.head.labels = labels->size();
    data.head.names = labels->names();
  }
  const PartLoader loader(options, tokenizer, images, observer);
  data.train = loader.load(std::move(parts.train), labels);
  if (parts.eval) data.eval = loader.load(std::move(*parts.eval), labels);
  return data;
}

}  // namespace svtune
