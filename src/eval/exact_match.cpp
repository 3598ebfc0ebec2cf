#include "eval/exact_match.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "eval/numeric_answers.h"
#include "formats/json_lines.h"

namespace svtune {
namespace {

struct Tally {
  std::int64_t questions = 0, right = 0, unanswered = 0;

  double accuracy() const { return static_cast<double>(right) / static_cast<double>(questions); }
  double standard_error() const {
    return std::sqrt(accuracy() * (1 - accuracy()) / static_cast<double>(questions));
  }
};

// Compares one answer with its reference and counts it.
Json judge(const Example& example, const std::string& answer, Tally& tally) {
  const auto wanted = reference_answer(example.completion);
  const auto got = extract_answer(answer);
  const bool match = wanted && got && *wanted == *got;
  ++tally.questions;
  tally.right += match ? 1 : 0;
  tally.unanswered += got ? 0 : 1;
  return {{"prompt", example.prompt},
          {"reference", example.completion},
          {"answer", answer},
          {"correct", match},
          {"extracted", got ? Json(*got) : Json(nullptr)},
          {"expected", wanted ? Json(*wanted) : Json(nullptr)}};
}

Score score_of(const Tally& tally) {
  char text[160];
  std::snprintf(
      text, sizeof text, "exact match %.2f %% +- %.2f (%lld of %lld, %lld without an answer)",
      100 * tally.accuracy(), 100 * tally.standard_error(), static_cast<long long>(tally.right),
      static_cast<long long>(tally.questions), static_cast<long long>(tally.unanswered));
  return {{{"accuracy", tally.accuracy()},
           {"standard_error", tally.standard_error()},
           {"right", static_cast<double>(tally.right)},
           {"questions", static_cast<double>(tally.questions)},
           {"unanswered", static_cast<double>(tally.unanswered)}},
          text};
}

std::string share_right(const Tally& tally) {
  char note[48];
  std::snprintf(note, sizeof note, "%.1f %% right", 100.0 * tally.accuracy());
  return note;
}

}  // namespace

// The answers are not read by the model, so their length does not matter.
EncodeOptions encoding_of(const ExactMatch&) { return {std::int64_t{1} << 24}; }

Score run_task(const ExactMatch& task, const EvalInput& input) {
  const ExampleEncoder& encoder = input.data.encoder();
  const TextOptions text = text_options(task.answer, input.end_tokens);
  std::optional<JsonLinesWriter> writer;
  if (task.answers) writer.emplace(*task.answers);
  Tally tally;
  for (std::int64_t begin = 0; begin < input.count; begin += input.batch_size) {
    const std::int64_t end = std::min(input.count, begin + input.batch_size);
    std::vector<std::vector<std::int32_t>> prompts;
    std::vector<Example> examples;
    for (std::int64_t i = begin; i < end; ++i) {
      examples.push_back(input.data.example(i));
      prompts.push_back(encoder.encode_prompt(examples.back()));
    }
    const auto answers = generate_text(input.net, encoder.tokenizer(), prompts, text);
    for (std::size_t i = 0; i < examples.size(); ++i) {
      const Json line = judge(examples[i], answers[i].text, tally);
      if (writer) writer->write(line);
    }
    input.observer.progress({end, input.count, "question", {}, share_right(tally)});
  }
  if (writer) writer->commit();
  return score_of(tally);
}

}  // namespace svtune
