// Lines of generate --input as questions: records of training data whose answer is not read.
#pragma once

#include <string>
#include <vector>

#include "data/record_format.h"

namespace svtune {

class QuestionReader {
 public:
  explicit QuestionReader(ColumnMap columns);

  // Prompt, input and whatever else of the line makes the prompt, read as in training. A line
  // with a text in the column of the prompt is a prompt, others go by the format of the first.
  // Throws FileError naming `place` when the line holds no prompt.
  Example question(Json line, const std::string& place);

  // What the lines until now hold.
  std::vector<ColumnCount> column_counts() const;
  // Throws UsageError for a mapped column that none of them has.
  void check_mapped_columns() const;

 private:
  bool has_prompt(const Json& line) const;
  void clear_answers(Json& line) const;

  ColumnMap columns_;
  RecordReader prompts_, others_;
};

}  // namespace svtune
