// svtune tokenize: texts to token ids and back.
#pragma once

#include <filesystem>

#include "cli/core/command.h"

namespace svtune {

struct TokenizeOptions {
  static constexpr CommandInfo kCommand{
      .name = "tokenize",
      .summary = "Turn texts into token ids, or ids into text",
      .description =
          "Reads lines {\"text\": ...} and writes {\"ids\": [...]}, or the reverse. "
          "The directory needs no more than the tokenizer's files.",
      .examples = "svtune tokenize --model model/ --input in.jsonl --output out.jsonl"};
  std::filesystem::path model;
  std::filesystem::path input = "-", output = "-";
  bool special = true;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.model, {.name = "model",
                       .help = "Directory with tokenizer files, or .gguf file",
                       .value_name = "PATH",
                       .required = true});
    visit(self.input, {.name = "input",
                       .help = "JSON lines, - for standard input",
                       .value_name = "FILE",
                       .path = PathHint::kFile});
    visit(self.output, {.name = "output",
                        .help = "JSON lines, - for standard output",
                        .value_name = "FILE",
                        .path = PathHint::kFile});
    visit(self.special,
          {.name = "special",
           .help = "Add the model's special tokens when encoding, keep them when decoding"});
  }
};

int run(const TokenizeOptions& options, CommandContext& context);

}  // namespace svtune
