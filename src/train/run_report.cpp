#include "train/run_report.h"

#include <algorithm>

#include "adapter_files/adapter_file.h"
#include "attach/svd_summary.h"
#include "base/errors.h"
#include "base/number_text.h"
#include "base/text_util.h"
#include "eval/numeric_answers.h"
#include "eval/question.h"
#include "infer/answer_ends.h"
#include "infer/text_generation.h"
#include "libtorch/prelude.h"
#include "linalg/user_svd_cache.h"
#include "train/recipes/recipe_report.h"

namespace svtune {
namespace {

constexpr std::int64_t kSampleTokens = 96;

std::string share_text(std::int64_t part, std::int64_t whole) {
  return fixed(100.0 * static_cast<double>(part) / static_cast<double>(whole), 3) + " %";
}

ReportLayer report_layer(const AdaptedLayer& layer, const std::string& method) {
  ReportLayer entry;
  entry.name = layer.name;
  entry.shape = std::to_string(layer.out_features) + " x " + std::to_string(layer.in_features);
  entry.adapter = method;
  const auto rank = layer.report.find("rank");
  if (rank != layer.report.end() && rank->is_number_integer()) {
    entry.adapter += ", rank " + std::to_string(rank->get<std::int64_t>());
  }
  entry.parameters = layer.out_features * layer.in_features;
  entry.trainable_parameters = layer.trainable;
  return entry;
}

// What an earlier part of the run left in report.json.
RunFiles stored_files(const std::filesystem::path& run) {
  try {
    return load_report_json(run);
  } catch (FileError& error) {
    error.add_to_hint("Without the file the run goes on, and its report tells less.");
    throw;
  }
}

struct SampleQuestion {
  ReportSample sample;
  std::vector<std::int32_t> prompt;  // tokens
};

const ExampleStore& sample_data(const TrainSession& session) {
  return session.eval_data ? *session.eval_data : *session.data;
}

// Plain texts have no question.
std::vector<SampleQuestion> questions_of(const TrainSession& session) {
  if (!session.prompt) return {};  // neither labels nor hidden words are answers
  const ExampleStore& store = sample_data(session);
  std::vector<SampleQuestion> questions;
  const std::int64_t count = std::min(session.options.run.samples, store.size());
  for (std::int64_t i = 0; i < count; ++i) {
    const Example example = store.example(i);
    const auto question = question_of(example);
    if (!question) continue;
    questions.push_back(
        {{question->prompt, question->reference, {}}, store.encoder().encode_prompt(example)});
  }
  return questions;
}

std::vector<TextAnswer> answer(const TrainSession& session,
                               const std::vector<SampleQuestion>& questions) {
  std::vector<std::vector<std::int32_t>> prompts;
  for (const SampleQuestion& question : questions) prompts.push_back(question.prompt);
  TextOptions options;
  options.tokens.max_new_tokens = kSampleTokens;
  const AnswerEnds ends = answer_ends(session.options.model.model, *session.tokenizer,
                                      sample_data(session).encoder().prompt());
  options.tokens.end_tokens = ends.ids;
  options.stop = ends.texts;
  return generate_text(*session.model.net, *session.tokenizer, prompts, options);
}

void add_answer(ReportSample& sample, const char* label, const std::string& text) {
  ReportAnswer answer{label, text, std::nullopt};
  if (const auto wanted = reference_answer(sample.reference)) {
    answer.correct = extract_answer(text) == wanted;
  }
  std::erase_if(sample.answers, [&](const ReportAnswer& one) { return one.label == label; });
  sample.answers.push_back(std::move(answer));
}

}  // namespace

RunFiles start_files(const TrainSession& session, const StartReport& start,
                     std::optional<double> base_loss) {
  const std::filesystem::path& run = session.options.run.output;
  RunFiles files;
  files.run.name = run_name(run);
  files.run.model_parameters = start.total;
  for (const AdaptedLayer& layer : start.layers) {
    files.run.layers.push_back(report_layer(layer, start.method));
  }
  if (!base_loss) {
    RunFiles stored = stored_files(run);
    files.samples = std::move(stored.samples);
    files.run.facts = std::move(stored.run.facts);
    files.run.confusion = std::move(stored.run.confusion);
    files.run.predictions = std::move(stored.run.predictions);
    std::erase_if(files.run.facts, [](const ReportFact& fact) {
      return fact.label == kPeakFact || fact.label == kKeptFact ||
             fact.label.starts_with(kPaperFact);
    });
  }
  if (!files.run.facts.empty()) return files;
  files.run.facts = {
      {"Method", start.method},
      {"Model", session.options.model.model.string()},
      {"Arithmetic", session.model.arithmetic},
      {"Data", session.data ? session.data->records().name() : session.labelled->records().name},
      {"Trainable",
       format_count(start.trainable) + " (" + share_text(start.trainable, start.total) + ")"},
      {"Initialisation", fixed(start.init_seconds, 2) + " s"},
  };
  if (const std::string& recipe = session.options.recipe; !recipe.empty()) {
    files.run.facts.push_back(recipe_fact(find_recipe(recipe)));
  }
  for (const std::string& line : svd_summary(start)) {
    const std::size_t colon = line.find(": ");
    files.run.facts.push_back({line.substr(0, colon), line.substr(colon + 2)});
  }
  if (base_loss) files.run.facts.push_back({"Loss of the base model", fixed(*base_loss, 4)});
  return files;
}

void answer_samples(const TrainSession& session, const char* label,
                    std::vector<ReportSample>& samples, RunObserver& observer) {
  const std::vector<SampleQuestion> questions = questions_of(session);
  if (questions.empty()) return;
  const auto count = static_cast<std::int64_t>(questions.size());
  observer.progress(RunPhase::kSamples, 0, count);
  const std::vector<TextAnswer> answers = answer(session, questions);
  std::vector<ReportSample> answered;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const auto same = [&](const ReportSample& other) {
      return other.prompt == questions[i].sample.prompt;
    };
    const auto known = std::ranges::find_if(samples, same);
    answered.push_back(known == samples.end() ? questions[i].sample : *known);
    add_answer(answered.back(), label, answers[i].text);
  }
  samples = std::move(answered);
  observer.progress(RunPhase::kSamples, count, count);
}

}  // namespace svtune
