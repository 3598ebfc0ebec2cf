// svtune convert: a GGUF file becomes a Hugging Face model directory.
#pragma once

#include <filesystem>
#include <optional>

#include "cli/core/command.h"

namespace svtune {

enum class FileDtype { kFp32, kBf16, kFp16 };
inline constexpr EnumName<FileDtype> kFileDtypeNames[] = {
    {FileDtype::kFp32, "fp32"}, {FileDtype::kBf16, "bf16"}, {FileDtype::kFp16, "fp16"}};
constexpr std::span<const EnumName<FileDtype>> enum_names(FileDtype) { return kFileDtypeNames; }

struct ConvertOptions {
  static constexpr CommandInfo kCommand{
      .name = "convert",
      .summary = "Turn a GGUF model into a Hugging Face directory",
      .description =
          "Writes config.json, weights, tokenizer and chat template. Weights keep the file's type, "
          "and quantised ones are expanded to bf16, unless --dtype says otherwise. Where the type "
          "does not hold every value, the number of rounded tensors is told.",
      .examples = "svtune convert model.gguf model/ --dtype bf16"};
  std::filesystem::path input, output;
  std::optional<FileDtype> dtype;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.input, {.name = "input",
                       .help = "GGUF file",
                       .value_name = "FILE",
                       .required = true,
                       .positional = true,
                       .path = PathHint::kFile});
    visit(self.output, {.name = "output",
                        .help = "Directory to create",
                        .value_name = "DIR",
                        .required = true,
                        .positional = true,
                        .path = PathHint::kDirectory});
    visit(self.dtype,
          {.name = "dtype",
           .help = "Type of the written weights (default: that of most of the file's matrices; "
                   "bf16 where those are quantised)"});
  }
};

int run(const ConvertOptions& options, CommandContext& context);

}  // namespace svtune
