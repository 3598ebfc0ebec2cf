// svtune export: an adapter in the form that other programs take.
#pragma once

#include "cli/conversion.h"
#include "cli/convert_command.h"
#include "cli/core/command.h"
#include "merge/rounding.h"

namespace svtune {

enum class ExportForm { kLora, kResidual };
inline constexpr EnumName<ExportForm> kExportFormNames[] = {
    {ExportForm::kLora, "lora", "a LoRA for the untouched base model"},
    {ExportForm::kResidual, "residual", "PiSSA's residual model and its adapter"},
};
constexpr std::span<const EnumName<ExportForm>> enum_names(ExportForm) { return kExportFormNames; }

struct ExportCommandOptions {
  static constexpr CommandInfo kCommand{
      .name = "export",
      .summary = "Write an adapter as plain LoRA, or PiSSA's residual model",
      .description =
          "The LoRA form has its scale baked in and one rank, as servers want it. With --tolerance "
          "it is cut to the smallest rank whose error stays below "
          "that share of the update. The weighted sum of several adapters is a LoRA of their "
          "joined factors, cut to the smallest rank without loss.",
      .examples =
          "svtune export --model model/ --adapter run/adapter --form lora "
          "--tolerance 0.01 --output small/"};
  AdapterConversion paths;
  ExportForm form = ExportForm::kLora;
  std::optional<double> tolerance;
  std::optional<std::int64_t> max_rank;
  RoundingOptions rounding;  // of the residual model

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit.group("", self.paths);
    visit(self.form, {.name = "form", .help = "What to write"});
    visit(self.tolerance, {.name = "tolerance",
                           .help = "Largest error of the LoRA form, relative to the update",
                           .above = 0,
                           .below = 1,
                           .when = only_with("form", "lora")});
    visit(self.max_rank, {.name = "max_rank",
                          .help = "Largest rank of the LoRA form",
                          .min = 1,
                          .when = only_with("form", "lora")});
    visit.group("", self.rounding, only_with("form", "residual"));
  }
};

int run(const ExportCommandOptions& options, CommandContext& context);

}  // namespace svtune
