#include "train/labelled_data.h"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "adapter_files/adapter_head.h"
#include "base/errors.h"
#include "base/json.h"

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

struct Parts {
  LabelledRecords train;
  std::optional<LabelledRecords> eval;
};

Parts read_parts(const TrainOptions& options) {
  LabelledOptions reading = options.data.labelled;
  reading.skip_bad_lines = options.data.reading.skip_bad_lines;
  Parts parts{read_labelled(options.data.data, reading), std::nullopt};
  if (options.data.eval_data) {
    parts.eval = read_labelled(*options.data.eval_data, reading);
  } else if (options.data.eval_share > 0) {
    parts.eval = hold_out(parts.train, options.data.eval_share,
                          static_cast<std::uint64_t>(options.train.seed));
  }
  return parts;
}

}  // namespace

LabelledData load_labelled_data(const TrainOptions& options, const Tokenizer& tokenizer,
                                RunObserver& observer) {
  Parts parts = read_parts(options);
  std::optional<NewHead> earlier;
  if (options.model.adapter) earlier = adapter_head(options.model.model, *options.model.adapter);
  LabelledStoreOptions store;
  store.max_length = options.train.batch.max_length;
  store.skip_bad_lines = options.data.reading.skip_bad_lines;
  LabelledData data;
  data.head.labels = 1;
  data.head.seed = static_cast<std::uint64_t>(options.train.seed);
  if (options.data.task == TrainTask::kClassify) {
    store.labels = choose_labels(options, earlier, parts.train);
    require_every_class(parts.train, *store.labels);
    data.head.labels = store.labels->size();
    data.head.names = store.labels->names();
  }
  const auto load = [&](LabelledRecords records) {
    const auto loaded = std::make_shared<LabelledStore>(
        std::move(records), tokenizer, store, [&](std::int64_t done, std::int64_t total) {
          observer.progress(RunPhase::kData, done, total);
        });
    observer.note(loaded->summary());
    for (const std::string& loss : loaded->losses()) observer.warning(loss);
    return loaded;
  };
  data.train = load(std::move(parts.train));
  if (parts.eval) data.eval = load(std::move(*parts.eval));
  return data;
}

}  // namespace svtune
