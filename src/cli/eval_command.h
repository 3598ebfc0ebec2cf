// svtune eval: perplexity, or exact match of numeric answers.
#pragma once

#include "cli/core/command.h"
#include "cli/generate_command.h"
#include "train/run_options.h"

namespace svtune {

enum class EvalTask { kPerplexity, kExactMatch };
inline constexpr EnumName<EvalTask> kEvalTaskNames[] = {
    {EvalTask::kPerplexity, "perplexity", "loss on the answers of the data"},
    {EvalTask::kExactMatch, "exact-match", "generated answers, compared as GSM8K's are"},
};
constexpr std::span<const EnumName<EvalTask>> enum_names(EvalTask) { return kEvalTaskNames; }

struct EvalCommandOptions {
  static constexpr CommandInfo kCommand{
      .name = "eval",
      .summary = "Measure perplexity or exact-match accuracy",
      .description =
          "exact-match generates an answer to every question, takes the number after \"The "
          "answer is: \" and compares it with the reference (after \"#### \" or the same "
          "phrase). The standard error of the accuracy is printed with it.",
      .examples =
          "svtune eval --model model/ --data test.jsonl\n"
          "svtune eval --task exact-match --model model/ --adapter runs/pissa/adapter "
          "--data test.jsonl --answers answers.jsonl"};
  ModelOptions model;
  EvalTask task = EvalTask::kPerplexity;
  std::filesystem::path data;
  std::optional<std::filesystem::path> answers;
  DataOptions reading;
  PromptOptions prompt;
  AnswerOptions answer;
  std::int64_t limit = 0;
  std::int64_t batch_size = 32;
  std::int64_t max_length = 2048;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit.group("Model", self.model);
    visit(self.task, {.name = "task", .help = "What to measure"});
    visit(self.data, {.name = "data",
                      .help = "Data in any training format",
                      .value_name = "FILE",
                      .required = true,
                      .path = PathHint::kFile});
    visit(self.answers, {.name = "answers",
                         .help = "Write every answer of exact-match here",
                         .value_name = "FILE",
                         .path = PathHint::kFile});
    visit.group("", self.reading);
    visit(self.limit, {.name = "limit",
                       .help = "Only the first N examples; 0 = all",
                       .unit = "examples",
                       .min = 0});
    visit(self.batch_size, {.name = "batch_size",
                            .help = "Examples computed at a time",
                            .unit = "examples",
                            .min = 1,
                            .max = 4096});
    visit(self.max_length, {.name = "max_length",
                            .help = "Longer examples are truncated "
                                    "(perplexity)",
                            .unit = "tokens",
                            .min = 2,
                            .max = 1 << 24});
    visit.group("Prompt", self.prompt);
    visit.group("Answer", self.answer);
  }
};

int run(const EvalCommandOptions& options, CommandContext& context);

}  // namespace svtune
