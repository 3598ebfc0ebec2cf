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

// The place in `meter` of each document.
std::vector<std::int64_t> predict(const LabelInput& input, LabelMeter& meter) {
  const std::vector<AdapterBatch> batches =
      batches_by_adapter(input.count, input.batch_size, input.adapters);
  std::vector<std::uint32_t> order;
  std::vector<std::int64_t> places(static_cast<std::size_t>(input.count));
  for (const AdapterBatch& batch : batches) {
    for (const std::uint32_t document : batch.documents) {
      places[document] = static_cast<std::int64_t>(order.size());
      order.push_back(document);
    }
  }
  input.data.expect(order);
  for (const AdapterBatch& batch : batches) {
    PackedBatch packed;
    for (const std::uint32_t document : batch.documents) input.data.append_to(packed, document);
    meter.add(*input.nets.at(static_cast<std::size_t>(batch.adapter)), to_batch(packed));
    input.observer.progress({meter.documents(), input.count, "document", meter.loss()});
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

// `place` is the document's in `meter`.
Json prediction(const LabelledDocuments& data, const LabelMeter& meter, std::int64_t document,
                std::int64_t place) {
  const LabelledRecord& record = data.records().records[static_cast<std::size_t>(document)];
  Json line = document_json(data, record);
  if (!record.adapter.empty()) line["adapter"] = record.adapter;
  if (data.labels() == nullptr) {
    line["label"] = data.number_of(document);
    line["predicted"] = meter.predicted_numbers()[static_cast<std::size_t>(place)];
    return line;
  }
  const std::vector<std::string>& names = data.labels()->names();
  const std::int64_t got = meter.predicted_classes()[static_cast<std::size_t>(place)];
  line["label"] = names[static_cast<std::size_t>(data.class_of(document))];
  line["predicted"] = names[static_cast<std::size_t>(got)];
  line["correct"] = got == data.class_of(document);
  line["probability"] = meter.probability(place);
  line["logits"] = meter.logits(place);
  return line;
}

}  // namespace

std::optional<LabelSet> labels_of(const Regression& /*task*/, const Model& /*model*/) {
  return std::nullopt;
}

std::optional<LabelSet> labels_of(const Classification& task, const Model& model) {
  const std::vector<std::string> names = given_labels(task.labels);
  if (model.net->predicts_words()) {
    throw UsageError("--task classify needs a model with a head of labels",
                     "Give one, or with --adapter an adapter that was trained with such a head.");
  }
  const std::int64_t outputs = model.net->head().out_features();
  if (outputs == 1) {
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

Score run_label_task(const LabelTask& task, const LabelInput& input) {
  LabelMeter meter(input.data.num_classes());
  std::vector<std::int64_t> places;
  const auto measure = [&] {
    places = predict(input, meter);
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
  score.text = describe(metrics) + ", loss " + fixed(meter.loss(), 4) + " (" +
               std::to_string(input.count) + " documents)";
  return score;
}

}  // namespace svtune
