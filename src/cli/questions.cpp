#include "cli/questions.h"

#include <algorithm>
#include <utility>

#include "base/errors.h"

namespace svtune {
namespace {

// Of each layout, the column of the prompt and that of the answer.
constexpr std::pair<const char*, const char*> kLayouts[] = {{"instruction", "output"},
                                                            {"prompt", "completion"},
                                                            {"query", "response"},
                                                            {"question", "answer"}};

std::string column_of(const ColumnMap& columns, const std::string& role) {
  const auto named = columns.find(role);
  return named == columns.end() ? role : named->second;
}

}  // namespace

QuestionReader::QuestionReader(ColumnMap columns)
    : columns_(columns),
      prompts_(RecordFormat::kPromptCompletion, columns),
      others_(RecordFormat::kAuto, std::move(columns)) {}

bool QuestionReader::has_prompt(const Json& line) const {
  const auto prompt = line.find(column_of(columns_, "prompt"));
  return prompt != line.end() && prompt->is_string();
}

// Whatever stands in the column of an answer, the question is whole without it.
void QuestionReader::clear_answers(Json& line) const {
  const auto clear = [&](const std::string& prompt, const std::string& answer) {
    const bool has_a_part = std::ranges::any_of(columns_, [&](const auto& part) {
      return part.second == answer && part.first != "completion";
    });
    if (line.contains(prompt) && !has_a_part) line[answer] = "";
  };
  clear(column_of(columns_, "prompt"), column_of(columns_, "completion"));
  if (has_prompt(line)) return;
  for (const auto& [prompt, answer] : kLayouts) clear(prompt, answer);
}

Example QuestionReader::question(Json line, const std::string& place) {
  clear_answers(line);
  RecordReader& reader = has_prompt(line) ? prompts_ : others_;
  const std::string problem = reader.problem(line);
  if (!problem.empty()) throw FileError(place, problem);
  return reader.example(line);
}

std::vector<ColumnCount> QuestionReader::column_counts() const {
  std::vector<ColumnCount> all = prompts_.column_counts();
  for (const ColumnCount& other : others_.column_counts()) {
    const auto same = std::ranges::find(all, other.name, &ColumnCount::name);
    if (same == all.end()) {
      all.push_back(other);
      continue;
    }
    same->rows += other.rows;
    if (same->part.empty()) same->part = other.part;
  }
  return all;
}

void QuestionReader::check_mapped_columns() const {
  const std::vector<ColumnCount> counts = column_counts();
  if (!counts.empty()) require_mapped_columns(columns_, counts, /*answers=*/false);
}

}  // namespace svtune
