// svtune convert: a GGUF file becomes a Hugging Face model directory.
#pragma once

#include <filesystem>

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
          "Writes config.json, weights, tokenizer and chat template. Quantised "
          "weights are expanded to the chosen dtype.",
      .examples = "svtune convert model.gguf model/ --dtype bf16"};
  std::filesystem::path input, output;
  FileDtype dtype = FileDtype::kBf16;

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
    visit(self.dtype, {.name = "dtype", .help = "Type of the written weights"});
  }
};

int run(const ConvertOptions& options, CommandContext& context);

}  // namespace svtune
