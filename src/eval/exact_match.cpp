#include "eval/exact_match.h"

#include <algorithm>
#include <cmath>

#include "base/errors.h"
#include "base/number_text.h"
#include "eval/numeric_answers.h"
#include "eval/question.h"
#include "formats/json_lines.h"

namespace svtune {
namespace {

// A question whose reference holds a number.
struct Asked {
  std::int64_t index;  // of the example
  Question question;
  double wanted;
};

// Looks at all references before anything is generated. Examples without a number to compare
// with are left out and named; an evaluation of none is refused.
std::vector<Asked> questions_of(const EvalInput& input) {
  std::vector<Asked> asked;
  std::int64_t without = -1;
  for (std::int64_t i = 0; i < input.count; ++i) {
    auto question = question_of(input.data.example(i));
    const auto wanted = question ? reference_answer(question->reference) : std::nullopt;
    if (wanted) {
      asked.push_back({i, std::move(*question), *wanted});
    } else if (without < 0) {
      without = i;
    }
  }
  const std::int64_t left_out = input.count - static_cast<std::int64_t>(asked.size());
  if (asked.empty()) {
    throw FileError(place_of(input.data, without),
                    "no reference answer holds a number to compare with",
                    "exact-match reads the number behind \"#### \" or \"The answer is: \", or a "
                    "reference that is a number; use --task perplexity for other answers.");
  }
  if (left_out > 0) {
    input.observer.warning(input.data.records().name() + ": " + std::to_string(left_out) + " of " +
                           std::to_string(input.count) +
                           " examples have no number in their reference answer and are left out, "
                           "the first in line " +
                           std::to_string(input.data.records().line(without)));
  }
  return asked;
}

struct Tally {
  std::int64_t questions = 0, right = 0, unanswered = 0;

  double accuracy() const { return static_cast<double>(right) / static_cast<double>(questions); }
  double standard_error() const {
    return std::sqrt(accuracy() * (1 - accuracy()) / static_cast<double>(questions));
  }
};

// Compares one answer with its reference and counts it.
Json judge(const Asked& asked, const std::string& answer, Tally& tally) {
  const auto got = extract_answer(answer);
  const bool match = got && *got == asked.wanted;
  ++tally.questions;
  tally.right += match ? 1 : 0;
  tally.unanswered += got ? 0 : 1;
  return {{"prompt", asked.question.prompt},
          {"reference", asked.question.reference},
          {"answer", answer},
          {"correct", match},
          {"extracted", got ? Json(*got) : Json(nullptr)},
          {"expected", asked.wanted}};
}

Score score_of(const Tally& tally) {
  const std::string text = "exact match " + percent(tally.accuracy(), 2) + " +- " +
                           fixed(100 * tally.standard_error(), 2) + " (" +
                           std::to_string(tally.right) + " of " + std::to_string(tally.questions) +
                           ", " + std::to_string(tally.unanswered) + " without an answer)";
  return {{{"accuracy", tally.accuracy()},
           {"standard_error", tally.standard_error()},
           {"right", static_cast<double>(tally.right)},
           {"questions", static_cast<double>(tally.questions)},
           {"unanswered", static_cast<double>(tally.unanswered)}},
          text};
}

std::string share_right(const Tally& tally) { return percent(tally.accuracy()) + " right"; }

// Answers all questions, batch by batch; `each` receives what was judged.
void ask(const ExactMatch& task, const EvalInput& input, const std::vector<Asked>& asked,
         Tally& tally, const std::function<void(const Json& line)>& each) {
  const ExampleEncoder& encoder = input.data.encoder();
  TextOptions text = text_options(task.answer, input.ends);
  const auto step = static_cast<std::size_t>(input.batch_size);
  for (std::size_t begin = 0; begin < asked.size(); begin += step) {
    const std::size_t end = std::min(asked.size(), begin + step);
    std::vector<std::vector<std::int32_t>> prompts;
    text.tokens.adapters.clear();
    for (std::size_t i = begin; i < end; ++i) {
      prompts.push_back(encoder.encode_prompt(input.data.example(asked[i].index)));
      if (!input.adapters.empty()) {
        text.tokens.adapters.push_back(input.adapters[static_cast<std::size_t>(asked[i].index)]);
      }
    }
    text.tokens.first_index = begin;
    const auto answers = generate_text(input.net, encoder.tokenizer(), prompts, text);
    for (std::size_t i = begin; i < end; ++i) {
      each(judge(asked[i], answers[i - begin].text, tally));
    }
    input.observer.progress({static_cast<std::int64_t>(end),
                             static_cast<std::int64_t>(asked.size()),
                             "question",
                             {},
                             share_right(tally)});
  }
}

}  // namespace

// The answers are not read by the model, so their length does not matter.
EncodeOptions encoding_of(const ExactMatch&) { return {std::int64_t{1} << 24}; }

Score run_task(const ExactMatch& task, const EvalInput& input) {
  if (task.answers) require_other_file(*task.answers, input.data.records().name(), "--answers");
  const std::vector<Asked> asked = questions_of(input);
  Tally tally;
  if (task.answers) {
    write_json_lines(*task.answers, [&](JsonLinesWriter& writer) {
      ask(task, input, asked, tally, [&](const Json& line) { writer.write(line); });
    });
  } else {
    ask(task, input, asked, tally, [](const Json&) {});
  }
  return score_of(tally);
}

}  // namespace svtune
