// Draws numbers for a situation until every step works out, then fills in its texts.
#include "data/word_problems.h"

#include <array>
#include <cctype>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "base/errors.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/random.h"
#include "data/word_problem_templates.h"

namespace svtune {
namespace {

using detail::Situation;

constexpr int kLargestResult = 100;
constexpr int kTestOneIn = 5;
constexpr std::size_t kMostProblems = 1'000'000;  // far fewer than there are

// Numbers and results by their letters.
using Values = std::map<char, int>;

std::optional<int> apply(int lhs, char op, int rhs) {
  const bool exact = op != '/' || (rhs != 0 && lhs % rhs == 0);
  if (!exact) return std::nullopt;
  const int result = op == '+'   ? lhs + rhs
                     : op == '-' ? lhs - rhs
                     : op == '*' ? lhs * rhs
                                 : lhs / rhs;
  if (result < 1 || result > kLargestResult) return std::nullopt;
  return result;
}

int operand(char letter, const Values& values) {
  return std::isdigit(static_cast<unsigned char>(letter)) ? letter - '0' : values.at(letter);
}

// The drawn numbers and the results of all steps, or nothing when a step leaves 1..100.
std::optional<Values> draw_values(const Situation& situation, Xoshiro256& random) {
  Values values;
  char letter = 'a';
  for (const auto& range : situation.numbers) {
    const int span = range.last - range.first + 1;
    values[letter++] = range.first + static_cast<int>(random.bounded(static_cast<unsigned>(span)));
  }
  letter = 'x';
  for (const auto& step : situation.steps) {
    const auto result = apply(operand(step.lhs, values), step.op, operand(step.rhs, values));
    if (!result) return std::nullopt;
    values[letter++] = *result;
  }
  return values;
}

Split split_of(std::size_t situation, const Values& values) {
  std::string key = std::to_string(situation);
  for (const auto& [letter, value] : values) key += ' ' + std::to_string(value);
  return hash64(key) % kTestOneIn == 0 ? Split::kTest : Split::kTrain;
}

using Words = std::map<std::string, std::string, std::less<>>;

// Replaces {word} by its value and starts every sentence with an upper-case letter.
std::string fill(std::string_view text, const Words& words) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t end = text[i] == '{' ? text.find('}', i) : std::string_view::npos;
    std::string piece(1, text[i]);
    if (end != std::string_view::npos) {
      piece = words.find(text.substr(i + 1, end - i - 1))->second;
      i = end;
    }
    const bool starts_sentence =
        out.empty() || (out.size() > 1 && out.back() == ' ' && out[out.size() - 2] == '.');
    if (starts_sentence) {
      piece[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(piece[0])));
    }
    out += piece;
  }
  return out;
}

template <typename T>
const T& pick(std::span<const T> items, Xoshiro256& random) {
  return items[random.bounded(items.size())];
}

Words draw_words(const Values& values, Xoshiro256& random) {
  const auto& person = pick(detail::persons(), random);
  const auto* other = &pick(detail::persons(), random);
  while (other->name == person.name) other = &pick(detail::persons(), random);
  Words words = {{"name", std::string(person.name)},
                 {"he", std::string(person.he)},
                 {"his", std::string(person.his)},
                 {"other", std::string(other->name)},
                 {"thing", std::string(pick(detail::things(), random))}};
  for (const auto& [letter, value] : values) {
    words[std::string(1, letter)] = std::to_string(value);
  }
  return words;
}

WordProblem write_problem(const Situation& situation, const Values& values, Xoshiro256& random) {
  const Words words = draw_words(values, random);
  WordProblem problem;
  problem.query = fill(pick(std::span(situation.questions), random), words);
  char letter = 'x';
  for (const auto& step : situation.steps) {
    problem.answer = values.at(letter++);
    problem.response += fill(step.caption, words) + ": " +
                        std::to_string(operand(step.lhs, values)) + ' ' + step.op + ' ' +
                        std::to_string(operand(step.rhs, values)) + " = " +
                        std::to_string(problem.answer) + ". ";
  }
  problem.response += "The answer is: " + std::to_string(problem.answer);
  return problem;
}

}  // namespace

std::vector<WordProblem> make_word_problems(std::uint64_t seed, std::size_t count, Split split) {
  if (count > kMostProblems) {
    throw UsageError("cannot make " + std::to_string(count) + " word problems, at most " +
                         std::to_string(kMostProblems),
                     "ask for fewer");
  }
  Xoshiro256 random(derive_seed(seed, "word problems", split == Split::kTrain ? "train" : "test"));
  std::vector<WordProblem> problems;
  std::set<std::string> questions;
  while (problems.size() < count) {
    const std::size_t index = random.bounded(detail::situations().size());
    const Situation& situation = detail::situations()[index];
    const auto values = draw_values(situation, random);
    if (!values || split_of(index, *values) != split) continue;
    WordProblem problem = write_problem(situation, *values, random);
    if (!questions.insert(problem.query).second) continue;
    problems.push_back(std::move(problem));
  }
  return problems;
}

std::string word_problem_line(const WordProblem& problem) {
  return dump_json(Json{{"query", problem.query}, {"response", problem.response}});
}

}  // namespace svtune
