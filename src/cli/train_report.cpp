#include "cli/train_report.h"

#include <algorithm>
#include <cstdio>

#include "base/text_util.h"
#include "infer/answers.h"
#include "infer/text_generation.h"
#include "io/load_tokenizer.h"
#include "linalg/torch_pch.h"

namespace svtune {
namespace {

constexpr std::int64_t kSampleTokens = 96;

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string percent(std::int64_t part, std::int64_t whole) {
  return fixed(100.0 * static_cast<double>(part) / static_cast<double>(whole), 3) + " %";
}

// Number of layers by module name and shape, e.g. "30 x q_proj [576, 576]".
std::string layer_lines(const StartReport& report) {
  std::vector<std::pair<std::string, std::pair<std::int64_t, std::int64_t>>> kinds;
  for (const AdaptedLayer& layer : report.layers) {
    const std::string kind = layer.name.substr(layer.name.rfind('.') + 1) + " [" +
                             std::to_string(layer.out_features) + ", " +
                             std::to_string(layer.in_features) + "]";
    auto found = std::find_if(kinds.begin(), kinds.end(),
                              [&](const auto& each) { return each.first == kind; });
    if (found == kinds.end()) found = kinds.insert(kinds.end(), {kind, {0, 0}});
    ++found->second.first;
    found->second.second += layer.trainable;
  }
  std::string text;
  for (const auto& [kind, count] : kinds) {
    text += "  " + std::to_string(count.first) + " x " + kind + ", " + format_count(count.second) +
            " trainable\n";
  }
  return text;
}

}  // namespace

void print_start(const TrainSession& session, const Attached& attached,
                 const MemoryForecast& forecast, std::ostream& out) {
  const StartReport& report = attached.report;
  out << "Adapted layers (" << report.method << "):\n" << layer_lines(report);
  if (!report.extras.empty()) out << "  and " << report.extras.size() << " whole tensors\n";
  out << "Trainable: " << format_count(report.trainable) << " of " << format_count(report.total)
      << " parameters (" << percent(report.trainable, report.total) << ")\n"
      << "Steps: " << session.total_steps << " of about "
      << static_cast<std::int64_t>(tokens_per_step(session) + 0.5) << " tokens\n"
      << "Peak memory (predicted): " << format_bytes(forecast.total()) << "\n";
  for (const MemoryItem& item : forecast.items) {
    out << "  " << item.name << ": " << format_bytes(item.bytes) << "\n";
  }
}

RunFiles start_files(const TrainSession& session, const Attached& attached,
                     const std::filesystem::path& run) {
  RunFiles files;
  files.run.name =
      run.filename().empty() ? run.parent_path().filename().string() : run.filename().string();
  files.run.model_parameters = attached.report.total;
  files.run.facts = {
      {"Method", attached.report.method},
      {"Model", session.options.model.model.string()},
      {"Arithmetic", dtype_text(session.model.dtype())},
      {"Data", session.data->records().name()},
      {"Trainable", format_count(attached.report.trainable) + " (" +
                        percent(attached.report.trainable, attached.report.total) + ")"},
      {"Initialisation", fixed(attached.report.init_seconds, 2) + " s"},
      {"Loss of the base model", fixed(session.base_loss, 4)},
  };
  for (const AdaptedLayer& layer : attached.report.layers) {
    ReportLayer entry;
    entry.name = layer.name;
    entry.shape = std::to_string(layer.out_features) + " x " + std::to_string(layer.in_features);
    entry.adapter = attached.report.method;
    if (layer.report.contains("rank")) {
      entry.adapter += ", rank " + std::to_string(layer.report.at("rank").get<std::int64_t>());
    }
    entry.parameters = layer.out_features * layer.in_features;
    entry.trainable_parameters = layer.trainable;
    files.run.layers.push_back(std::move(entry));
  }
  return files;
}

std::vector<ReportSample> sample_questions(const TrainSession& session) {
  const ExampleStore& store = session.eval_data ? *session.eval_data : *session.data;
  const std::int64_t count = std::min(session.options.run.samples, store.size());
  std::vector<ReportSample> samples;
  for (std::int64_t i = 0; i < count; ++i) {
    const Example example = store.example(i);
    ReportSample sample;
    sample.prompt = example.prompt;
    sample.reference = example.completion;
    if (example.kind == ExampleKind::kMessages) {
      for (const Json& message : example.messages) {
        std::string& into = message.at("role") == "assistant" ? sample.reference : sample.prompt;
        into += (into.empty() ? "" : "\n") + message.at("content").get<std::string>();
      }
    } else if (example.kind == ExampleKind::kText) {
      continue;
    }
    samples.push_back(std::move(sample));
  }
  return samples;
}

void add_answers(TrainSession& session, std::vector<ReportSample>& samples,
                 const std::string& label) {
  if (samples.empty()) return;
  const ExampleStore& store = session.eval_data ? *session.eval_data : *session.data;
  std::vector<std::vector<std::int32_t>> prompts;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    prompts.push_back(store.encoder().encode_prompt(store.example(static_cast<std::int64_t>(i))));
  }
  TextOptions options;
  options.tokens.max_new_tokens = kSampleTokens;
  options.tokens.end_tokens = end_tokens(session.options.model.model, *session.tokenizer);
  const std::vector<TextAnswer> answers =
      generate_text(*session.model.net, *session.tokenizer, prompts, options);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    ReportAnswer answer{label, answers[i].text, std::nullopt};
    if (const auto wanted = reference_answer(samples[i].reference)) {
      answer.correct = extract_answer(answers[i].text) == wanted;
    }
    samples[i].answers.push_back(std::move(answer));
  }
}

}  // namespace svtune
