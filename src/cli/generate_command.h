// svtune generate: continue prompts; svtune chat: talk to the model.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/core/command.h"
#include "cli/shared_steps.h"
#include "data/prompt_template.h"
#include "data/record_format.h"
#include "infer/answer_config.h"

namespace svtune {

struct GenerateCommandOptions {
  static constexpr CommandInfo kCommand{
      .name = "generate",
      .summary = "Answer prompts",
      .description =
          "Answers the prompts given with --prompt as they stream, or one per line of --input "
          "(JSON lines with the columns of training data, answers may be missing) into "
          "--output. What was answered before an error is kept as OUTPUT.partial.\n\n"
          "Prompts are written as model or adapter were trained here, else by the model's chat "
          "template. In bf16 a product's rounding depends on how many rows it has, so that "
          "answers, greedy ones too, may change with --batch-size; with --dtype fp32 the "
          "difference is a millionth and hardly ever shows.",
      .examples =
          "svtune generate --model model/ --adapter runs/pissa/adapter --prompt \"Why?\"\n"
          "svtune generate --model model/ --input questions.jsonl --output answers.jsonl\n"
          "svtune generate --model model/ --adapter sums=runs/sums/adapter --adapter "
          "prose=runs/prose/adapter --input mixed.jsonl"};
  ServedModelOptions model;
  std::vector<std::string> prompt;
  std::optional<std::filesystem::path> input;
  std::filesystem::path output = "-";
  ColumnMap columns;
  PromptOptions prompt_options;
  AnswerConfig answer;
  std::int64_t batch_size = 16;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit.group("Model", self.model);
    visit(self.prompt, {.name = "prompt", .help = "Prompt to answer; repeatable", .separator = 0});
    visit(self.input, {.name = "input",
                       .help = "Prompts as JSON lines",
                       .value_name = "FILE",
                       .path = PathHint::kFile,
                       .instead_of = "prompt"});
    visit(self.output, {.name = "output",
                        .help = "Answers, - for standard output",
                        .value_name = "FILE",
                        .path = PathHint::kFile,
                        .when = only_with("input")});
    visit(self.columns, {.name = "columns",
                         .help = "Columns of --input by role, e.g. prompt=question; lines need "
                                 "no answer when the column of the prompt is named",
                         .when = only_with("input")});
    visit(self.batch_size, {.name = "batch_size",
                            .help = "Prompts answered at a time",
                            .unit = "prompts",
                            .min = 1,
                            .max = 4096,
                            .when = only_with("input")});
    visit.group("Prompt", self.prompt_options);
    visit.group("Answer", self.answer);
  }
};

int run(const GenerateCommandOptions& options, CommandContext& context);

struct ChatCommandOptions {
  static constexpr CommandInfo kCommand{
      .name = "chat",
      .summary = "Talk to the model",
      .description =
          "Reads one message a line from standard input and streams the answers. "
          "/reset forgets the conversation, /quit or the end of input leaves. Of several adapters "
          "the first one answers; /adapter NAME goes on with another, /adapter with the model "
          "alone.",
      .examples = "svtune chat --model model/ --adapter runs/pissa/adapter"};
  ServedModelOptions model;
  std::optional<std::string> system, chat_template;
  AnswerConfig answer;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit.group("Model", self.model);
    visit(self.system, {.name = "system", .help = "System message", .free_text = true});
    visit(self.chat_template,
          {.name = "chat_template",
           .help = "Chat template in place of the model's: chatml, llama2, llama3, mistral, gemma "
                   "or a Jinja file",
           .value_name = "NAME|FILE",
           .path = PathHint::kFile});
    visit.group("Answer", self.answer);
  }
};

int run(const ChatCommandOptions& options, CommandContext& context);

}  // namespace svtune
