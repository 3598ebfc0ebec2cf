// svtune score: log-probabilities of given texts or token ids.
#pragma once

#include "cli/core/command.h"
#include "cli/shared_steps.h"

namespace svtune {

struct ScoreOptions {
  static constexpr CommandInfo kCommand{
      .name = "score",
      .summary = "Write the log-probability of every token",
      .description =
          "Reads lines {\"ids\": [...]} or {\"text\": ...} and adds \"ids\" and \"logprobs\", "
          "where logprobs[i] = log p(ids[i+1] | ids[..i]). Computes in fp32 unless --dtype says "
          "otherwise; needs no tokenizer when ids are given.",
      .examples =
          "svtune score --model model/ --adapter run/adapter --input in.jsonl "
          "--output out.jsonl"};
  ServedModelOptions model = fp32_model();
  std::filesystem::path input = "-", output = "-";
  std::int64_t batch_tokens = 2048;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit.group("Model", self.model);
    visit(self.input, {.name = "input",
                       .help = "JSON lines, - for standard input",
                       .value_name = "FILE",
                       .path = PathHint::kFile});
    visit(self.output, {.name = "output",
                        .help = "JSON lines, - for standard output",
                        .value_name = "FILE",
                        .path = PathHint::kFile});
    visit(self.batch_tokens, {.name = "batch_tokens",
                              .help = "Tokens computed at a time",
                              .unit = "tokens",
                              .min = 1,
                              .max = 1 << 24});
  }

  static ServedModelOptions fp32_model() {
    ServedModelOptions options;
    options.dtype = ComputeDtype::kFp32;
    return options;
  }
};

int run(const ScoreOptions& options, CommandContext& context);

}  // namespace svtune
