#include "report/run_files.h"

#include <algorithm>

#include "base/errors.h"
#include "base/files.h"
#include "report/report.h"

namespace svtune {
namespace {

Json layer_json(const ReportLayer& layer) {
  return {{"name", layer.name},
          {"shape", layer.shape},
          {"adapter", layer.adapter},
          {"parameters", layer.parameters},
          {"trainable_parameters", layer.trainable_parameters}};
}

Json sample_json(const ReportSample& sample) {
  Json answers = Json::array();
  for (const ReportAnswer& answer : sample.answers) {
    Json one = {{"label", answer.label}, {"text", answer.text}};
    if (answer.correct) one["correct"] = *answer.correct;
    answers.push_back(std::move(one));
  }
  return {{"prompt", sample.prompt}, {"reference", sample.reference}, {"answers", answers}};
}

ReportLayer layer_from(const Json& json) {
  return {json.at("name").get<std::string>(), json.at("shape").get<std::string>(),
          json.at("adapter").get<std::string>(), json.at("parameters").get<std::int64_t>(),
          json.at("trainable_parameters").get<std::int64_t>()};
}

ReportSample sample_from(const Json& json) {
  ReportSample sample{
      json.at("prompt").get<std::string>(), json.at("reference").get<std::string>(), {}};
  for (const Json& one : json.at("answers")) {
    ReportAnswer answer{one.at("label").get<std::string>(), one.at("text").get<std::string>(), {}};
    if (one.contains("correct")) answer.correct = one.at("correct").get<bool>();
    sample.answers.push_back(std::move(answer));
  }
  return sample;
}

Json confusion_json(const ReportConfusion& confusion) {
  Json cells = Json::array();
  for (const ReportConfusion::Cell& cell : confusion.cells) {
    cells.push_back({cell.wanted, cell.predicted, cell.count});
  }
  return {{"labels", confusion.labels}, {"cells", cells}};
}

ReportConfusion confusion_from(const Json& json) {
  ReportConfusion confusion;
  confusion.labels = json.at("labels").get<std::vector<std::string>>();
  const auto classes = static_cast<std::int64_t>(confusion.labels.size());
  for (const Json& cell : json.at("cells")) {
    const auto number = [&](std::size_t place) { return cell.at(place).get<std::int64_t>(); };
    // A class that is none would be drawn nowhere.
    if (std::min(number(0), number(1)) < 0 || std::max(number(0), number(1)) >= classes) continue;
    confusion.cells.push_back({number(0), number(1), number(2)});
  }
  return confusion;
}

Json prediction_json(const ReportPrediction& one) {
  Json json = {{"name", one.name},
               {"label", one.label},
               {"predicted", one.predicted},
               {"probability", one.probability}};
  if (!one.text.empty()) json["text"] = one.text;
  if (!one.image.empty()) json["image"] = one.image;
  return json;
}

ReportPrediction prediction_from(const Json& json) {
  return {json.at("name").get<std::string>(),      json.value("text", std::string()),
          json.value("image", std::string()),      json.at("label").get<std::string>(),
          json.at("predicted").get<std::string>(), json.at("probability").get<double>()};
}

void read_report_json(const std::filesystem::path& path, RunFiles& files) {
  const Json json = read_json_file(path);
  try {
    files.run.name = json.at("name").get<std::string>();
    files.run.model_parameters = json.at("model_parameters").get<std::int64_t>();
    for (const Json& fact : json.at("facts")) {
      files.run.facts.push_back(
          {fact.at("label").get<std::string>(), fact.at("value").get<std::string>()});
    }
    for (const Json& layer : json.at("layers")) files.run.layers.push_back(layer_from(layer));
    for (const Json& sample : json.at("samples")) files.samples.push_back(sample_from(sample));
    if (json.contains("confusion")) files.run.confusion = confusion_from(json.at("confusion"));
    for (const Json& one : json.value("predictions", Json::array())) {
      files.run.predictions.push_back(prediction_from(one));
    }
  } catch (const Json::exception& error) {
    const std::string text = error.what();
    // Behind the library's own number.
    throw FileError(path.string(), "not a run's report data: " + text.substr(text.find("] ") + 2));
  }
}

void add_answers(ReportSample& into, const ReportSample& from, const std::string& after_label) {
  for (ReportAnswer answer : from.answers) {
    if (answer.label == kAnswerAfter) answer.label = after_label;
    const bool known =
        std::any_of(into.answers.begin(), into.answers.end(), [&](const ReportAnswer& other) {
          return other.label == answer.label && other.text == answer.text;
        });
    if (!known) into.answers.push_back(std::move(answer));
  }
}

// What a run hands back: its adapter, or the model that was trained in full.
std::optional<std::int64_t> saved_bytes(const std::filesystem::path& run_directory) {
  for (const char* name : {"adapter", "model"}) {
    if (!std::filesystem::is_directory(run_directory / name)) continue;
    std::int64_t bytes = 0;
    // A run that is still going may replace the directory meanwhile.
    std::error_code gone;
    for (const auto& entry : std::filesystem::directory_iterator(run_directory / name, gone)) {
      const std::uintmax_t size = entry.is_regular_file(gone) ? entry.file_size(gone) : 0;
      if (!gone) bytes += static_cast<std::int64_t>(size);
    }
    return bytes;
  }
  return std::nullopt;
}

}  // namespace

std::string run_name(const std::filesystem::path& run_directory) {
  const std::filesystem::path path = std::filesystem::absolute(run_directory).lexically_normal();
  return path.has_filename() ? path.filename().string() : path.parent_path().filename().string();
}

void save_report_json(const std::filesystem::path& run_directory, const RunFiles& files) {
  Json json = {{"name", files.run.name}, {"model_parameters", files.run.model_parameters}};
  json["facts"] = Json::array();
  for (const ReportFact& fact : files.run.facts) {
    json["facts"].push_back({{"label", fact.label}, {"value", fact.value}});
  }
  json["layers"] = Json::array();
  for (const ReportLayer& layer : files.run.layers) json["layers"].push_back(layer_json(layer));
  json["samples"] = Json::array();
  for (const ReportSample& sample : files.samples) json["samples"].push_back(sample_json(sample));
  if (files.run.confusion) json["confusion"] = confusion_json(*files.run.confusion);
  for (const ReportPrediction& one : files.run.predictions) {
    json["predictions"].push_back(prediction_json(one));
  }
  write_file_atomic(run_directory / "report.json", dump_json(json, 1) + "\n");
}

RunFiles load_report_json(const std::filesystem::path& run_directory) {
  RunFiles files;
  if (const auto path = run_directory / "report.json"; std::filesystem::exists(path)) {
    read_report_json(path, files);
  }
  return files;
}

RunFiles load_run_files(const std::filesystem::path& run_directory) {
  const std::filesystem::path metrics = run_directory / "metrics.jsonl";
  if (!std::filesystem::exists(metrics)) {
    throw FileError(run_directory.string(), "has no metrics.jsonl",
                    "give the directory that svtune train wrote");
  }
  RunFiles files = load_report_json(run_directory);
  if (files.run.name.empty()) files.run.name = run_name(run_directory);
  if (const auto path = run_directory / "config.json"; std::filesystem::exists(path)) {
    files.run.config = read_json_file(path);
  }
  files.run.points = read_metrics(metrics).points;
  files.run.saved_bytes = saved_bytes(run_directory);
  return files;
}

ReportInput merge_runs(std::string title, const std::vector<RunFiles>& runs) {
  ReportInput input;
  input.title = std::move(title);
  for (const RunFiles& files : runs) {
    input.runs.push_back(files.run);
    const std::string after = runs.size() > 1 ? files.run.name : kAnswerAfter;
    for (const ReportSample& sample : files.samples) {
      auto it =
          std::find_if(input.samples.begin(), input.samples.end(),
                       [&](const ReportSample& other) { return other.prompt == sample.prompt; });
      if (it == input.samples.end()) {
        it = input.samples.insert(it, {sample.prompt, sample.reference, {}});
      }
      add_answers(*it, sample, after);
    }
  }
  return input;
}

void write_run_report(const std::filesystem::path& run_directory, const std::string& footer) {
  const RunFiles files = load_run_files(run_directory);
  ReportInput input = merge_runs(files.run.name, {files});
  input.footer = footer;
  write_file_atomic(run_directory / "report.html", render_report(input));
}

}  // namespace svtune
