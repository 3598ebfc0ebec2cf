// The task `exact-match`: generated answers against the references, compared as GSM8K's are.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "base/fields.h"
#include "eval/task.h"
#include "infer/answer_config.h"

namespace svtune {

struct ExactMatch {
  static constexpr std::string_view kName = "exact-match";
  static constexpr std::string_view kSummary = "generated answers, compared as GSM8K's are";
  static constexpr bool kPrompted = true;
  std::optional<std::filesystem::path> answers = {};
  AnswerConfig answer;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.answers, {.name = "answers",
                         .help = "Write every answer here",
                         .value_name = "FILE",
                         .path = PathHint::kFile});
    visit.group("Answer", self.answer);
  }
};

EncodeOptions encoding_of(const ExactMatch& task);
// Figures: accuracy and its standard_error (both of 1), right, questions, unanswered.
Score run_task(const ExactMatch& task, const EvalInput& input);

}  // namespace svtune
