// svtune eval: runs a task of eval/tasks.h on a file of examples.
#pragma once

#include <string>
#include <vector>

#include "cli/core/command.h"
#include "cli/shared_steps.h"
#include "eval/evaluate.h"

namespace svtune {

struct EvalCommandOptions {
  static constexpr CommandInfo kCommand{
      .name = "eval",
      .summary = "Measure perplexity, exact-match accuracy, labels or hidden words",
      .description =
          "exact-match generates an answer to every question, takes the number behind the last "
          "\"The answer is\" or \"####\" and compares it with the reference's (of a conversation, "
          "its last answer). Examples without a number to compare with are left out. The standard "
          "error of the accuracy is printed with it.\n\n"
          "classify and regress compare the labels that an encoder gives to texts or pairs, or an "
          "image model to images, with those of the data, with 95 % intervals; tag does so with "
          "the words of texts. mask hides words of plain texts from an encoder and counts those "
          "that it finds.\n\n"
          "Prompts are written as model or adapter were trained here, else by the model's chat "
          "template. In bf16 a product's rounding depends on how many rows it has, so that "
          "answers may change with --batch-size; with --dtype fp32 the difference is a millionth "
          "and hardly ever shows.",
      .examples =
          "svtune eval --model model/ --data test.jsonl\n"
          "svtune eval --task exact-match --model model/ --adapter runs/pissa/adapter "
          "--data test.jsonl --answers answers.jsonl\n"
          "svtune eval --task classify --model bert/ --adapter runs/rte/adapter --data dev.tsv\n"
          "svtune eval --task mask --model bert/ --adapter runs/domain/adapter --data texts.jsonl"};
  ServedModelOptions model;
  EvalOptions what;
  std::vector<std::string> given;  // no field

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit.group("Model", self.model);
    visit.group("", self.what);
  }
};

int run(const EvalCommandOptions& options, CommandContext& context);

}  // namespace svtune
