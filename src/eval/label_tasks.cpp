#include "eval/label_tasks.h"

#include <cmath>

#include "base/errors.h"
#include "base/number_text.h"
#include "data/image_store.h"
#include "eval/adapter_batches.h"
#include "eval/label_meter.h"
#include "formats/json_lines.h"

namespace svtune {
namespace {

std::size_t items_of(const PackedBatch& packed) {
  return packed.classes.size() + packed.numbers.size() + packed.supervised.size();
}

// The place in `meter` of each document, or of its first word.
std::vector<std::int64_t> predict(const LabelInput& input, LabelMeter& meter) {
  const std::vector<AdapterBatch> batches =
      batches_by_adapter(input.count, input.batch_size, input.adapters);
  std::vector<std::uint32_t> order;
  std::vector<std::int64_t> places(static_cast<std::size_t>(input.count));
  for (const AdapterBatch& batch : batches) {
    order.insert(order.end(), batch.documents.begin(), batch.documents.end());
  }
  input.data.expect(order);
  std::int64_t done = 0;
  for (const AdapterBatch& batch : batches) {
    PackedBatch packed;
    for (const std::uint32_t document : batch.documents) {
      places[document] = meter.items() + static_cast<std::int64_t>(items_of(packed));
      input.data.append_to(packed, document);
    }
    done += static_cast<std::int64_t>(batch.documents.size());
    // Texts of which no word has a class add nothing.
    if (items_of(packed) == 0) continue;
    meter.add(*input.nets.at(static_cast<std::size_t>(batch.adapter)), to_batch(packed));
    input.observer.progress({done, input.count, "document", meter.loss()});
  }
  return places;
}

Json document_json(const LabelledDocuments& data, const LabelledRecord& record) {
  if (dynamic_cast<const ImageStore*>(&data) != nullptr) {
    Json line = Json::object();
    if (!record.first.empty()) line["path"] = record.first;
    if (record.line > 0) line["line"] = record.line;
    return line;
  }
  Json line = {{"line", record.line}, {"text", record.first}};
  if (record.second) line["text_pair"] = *record.second;
  return line;
}

// Of the words of a text; null for those that are cut, have no token or no class.
Json words_json(const LabelledDocuments& data, const LabelMeter& meter, std::int64_t document,
                std::int64_t place) {
  const LabelledRecord& record = data.records().records[static_cast<std::size_t>(document)];
  const std::vector<std::string>& names = data.labels()->names();
  const Json none;
  Json labels(record.words.size(), none), predicted(record.words.size(), none);
  Json probabilities(record.words.size(), none);
  for (const std::uint32_t word : *data.learnt_words(document)) {
    const auto item = static_cast<std::size_t>(place);
    labels[word] = names[static_cast<std::size_t>(meter.wanted_classes()[item])];
    predicted[word] = names[static_cast<std::size_t>(meter.predicted_classes()[item])];
    probabilities[word] = meter.probability(place++);
  }
  Json line = {{"line", record.line}, {"words", record.words}};
  if (!record.adapter.empty()) line["adapter"] = record.adapter;
  line["labels"] = std::move(labels);
  line["predicted"] = std::move(predicted);
  line["probability"] = std::move(probabilities);
  return line;
}

// `place` is the document's in `meter`.
Json prediction(const LabelledDocuments& data, const LabelMeter& meter, std::int64_t document,
                std::int64_t place) {
  if (meter.of_words()) return words_json(data, meter, document, place);
  const LabelledRecord& record = data.records().records[static_cast<std::size_t>(document)];
  Json line = document_json(data, record);
  if (!record.adapter.empty()) line["adapter"] = record.adapter;
  if (data.labels() == nullptr) {
    line["label"] = number_of(data.records(), record);
    line["predicted"] = meter.predicted_numbers()[static_cast<std::size_t>(place)];
    return line;
  }
  const std::vector<std::string>& names = data.labels()->names();
  const std::int64_t got = meter.predicted_classes()[static_cast<std::size_t>(place)];
  const std::int64_t wanted = meter.wanted_classes()[static_cast<std::size_t>(place)];
  line["label"] = names[static_cast<std::size_t>(wanted)];
  line["predicted"] = names[static_cast<std::size_t>(got)];
  line["correct"] = got == wanted;
  line["probability"] = meter.probability(place);
  line["logits"] = meter.logits(place);
  return line;
}

// The labels of `head`, as a task asks for it.
void require_head(const Model& model, HeadTask head, const std::string& task) {
  if (model.net->predicts_words()) {
    throw UsageError("--task " + task + " needs a model with a head of labels",
                     "Give one, or with --adapter an adapter that was trained with such a head.");
  }
  if (model.spec().task == head) return;
  const bool words = head == HeadTask::kToken;
  throw UsageError(
      "--task " + task + " needs a head of labels of " + (words ? "words" : "documents") +
          "; that of " + model.path.string() + " labels " + (words ? "documents" : "words"),
      words ? "Give --task classify, or --task regress for numbers." : "Give --task tag.");
}

LabelSet classes_of_head(const Classification& task, const Model& model) {
  const std::vector<std::string> names = given_labels(task.labels);
  const std::int64_t outputs = model.net->head().out_features();
  if (outputs == 1 && model.spec().task == HeadTask::kDocument) {
    throw UsageError("--task classify needs a head with an output for each class; that of " +
                         model.path.string() + " has one, which gives a number",
                     "Give --task regress.");
  }
  std::vector<std::string> labels = names.empty() ? id2label_names(model.config) : names;
  if (static_cast<std::int64_t>(labels.size()) != outputs && !names.empty()) {
    throw UsageError("--labels names " + std::to_string(names.size()) +
                     " classes, but the model's head has " + std::to_string(outputs) + " outputs");
  }
  if (static_cast<std::int64_t>(labels.size()) != outputs || are_placeholders(labels)) {
    labels.clear();
    for (std::int64_t id = 0; id < outputs; ++id) labels.push_back(std::to_string(id));
  }
  if (!names.empty()) return LabelSet(std::move(labels));
  try {
    return LabelSet(std::move(labels));
  } catch (const UsageError& error) {  // the same name twice
    throw FileError((model.path / "config.json").string(), std::string("id2label: ") + error.what(),
                    "Name the classes with --labels.");
  }
}

}  // namespace

std::optional<LabelSet> labels_of(const Regression& /*task*/, const Model& model) {
  if (!model.net->predicts_words()) require_head(model, HeadTask::kDocument, "regress");
  return std::nullopt;
}

std::optional<LabelSet> labels_of(const Classification& task, const Model& model) {
  require_head(model, HeadTask::kDocument, "classify");
  return classes_of_head(task, model);
}

std::optional<LabelSet> labels_of(const Tagging& task, const Model& model) {
  require_head(model, HeadTask::kToken, "tag");
  return classes_of_head(task, model);
}

Score run_label_task(const LabelTask& task, const LabelInput& input) {
  const bool of_words = input.data.size() > 0 && input.data.learnt_words(0) != nullptr;
  LabelMeter meter(input.data.num_classes(),
                   of_words ? span_tags(input.data.labels()->names()) : std::vector<SpanTag>());
  std::vector<std::int64_t> places;
  const auto measure = [&] {
    places = predict(input, meter);
    if (meter.items() == 0) throw FileError(input.data.records().name, "no word has a class");
    if (std::isfinite(meter.loss())) return;
    throw RunError("the loss is not finite",
                   "the weights hold NaN or infinity, or overflow in this dtype; try --dtype fp32");
  };
  if (task.predictions) {
    require_other_file(*task.predictions, input.data.records().name, "--predictions");
    // Begun before the work, which a wrong path would waste.
    write_json_lines(*task.predictions, [&](JsonLinesWriter& writer) {
      measure();
      for (std::int64_t i = 0; i < input.count; ++i) {
        writer.write(prediction(input.data, meter, i, places[static_cast<std::size_t>(i)]));
      }
    });
  } else {
    measure();
  }
  const std::vector<Measured> metrics =
      meter.metrics({task.bootstrap, static_cast<std::uint64_t>(task.seed)});
  Score score;
  for (const Measured& each : metrics) {
    score.figures.push_back({each.name, each.value});
    score.figures.push_back({each.name + "_low", each.low});
    score.figures.push_back({each.name + "_high", each.high});
  }
  score.figures.push_back({"loss", meter.loss()});
  score.figures.push_back({"documents", static_cast<double>(input.count)});
  std::string measured = std::to_string(input.count) + " documents";
  if (of_words) {
    score.figures.push_back({"words", static_cast<double>(meter.items())});
    measured = std::to_string(meter.items()) + " words of " + measured;
  }
  score.text =
      describe(metrics) + ", loss " + fixed(meter.loss(), 4) + " (" + std::move(measured) + ")";
  return score;
}

}  // namespace svtune
