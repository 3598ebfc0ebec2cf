#include "cli/export_command.h"

#include "base/text_util.h"
#include "export/export.h"

namespace svtune {

namespace {

std::vector<std::string> server_notes(const LoraExportReport& report) {
  std::vector<std::string> notes;
  if (!report.modules_to_save.empty()) {
    notes.push_back("It holds modules_to_save (" + join(report.modules_to_save, ", ") +
                    "): PEFT reads them, vLLM and other servers refuse them; merge instead");
  }
  if (report.branch_bias) {
    notes.emplace_back(
        "It holds lora_bias: PEFT reads it, vLLM and other servers refuse it; merge instead");
  }
  return notes;
}

}  // namespace

int run(const ExportCommandOptions& options, CommandContext& context) {
  const ConversionInput input = load_conversion(options.paths, context);
  const LoadedModel& loaded = input.loaded;
  const LoadedAdapter& adapter = *loaded.adapter;
  if (options.form == ExportForm::kResidual) {
    const MergeReport report =
        export_residual(loaded.model, adapter.adapters, adapter.record, options.paths.output,
                        {.rounding = options.rounding});
    context.out << "Wrote the residual model (" << format_bytes(report.bytes) << ") to "
                << (options.paths.output / "base").string() << " and its adapter to "
                << (options.paths.output / "adapter").string() << "\n";
    return 0;
  }
  LoraExportOptions lora;
  lora.tolerance = options.tolerance;
  lora.max_rank = options.max_rank;
  const LoraExportReport report =
      export_lora(loaded.model, adapter.adapters, adapter.record, options.paths.output, lora);
  if (adapter.record.needs_its_base) {
    context.out << "This adapter stands on a quantised residual, which is not the quantised model: "
                   "serve it with the base in "
                << (options.paths.output / "base").string() << " and no other\n";
  }
  context.out << "Wrote a rank " << report.rank << " LoRA of " << report.layers.size()
              << " layers to " << options.paths.output.string() << "\n"
              << "Largest relative error " << report.largest_relative_error << "\n";
  for (const std::string& note : server_notes(report)) context.out << note << "\n";
  return 0;
}

}  // namespace svtune
