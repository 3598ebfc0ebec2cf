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

void add_missing(Json& line, const std::string& column) {
  if (!line.contains(column)) line[column] = "";
}

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

Example QuestionReader::question(Json line, const std::string& place) {
  RecordReader& reader = has_prompt(line) ? prompts_ : others_;
  if (&reader == &prompts_) {
    add_missing(line, column_of(columns_, "completion"));
  } else {
    for (const auto& [prompt, answer] : kLayouts) {
      if (line.contains(prompt)) add_missing(line, answer);
    }
  }
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
