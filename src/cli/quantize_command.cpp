#include "cli/quantize_command.h"

#include <algorithm>

#include "base/errors.h"
#include "base/number_text.h"
#include "base/text_util.h"
#include "cli/core/progress.h"
#include "libtorch/prelude.h"
#include "quantized_base/quantize_summary.h"

namespace svtune {
namespace {

QuantizePlan plan_of(const QuantizeCommandOptions& options) {
  QuantizePlan plan;
  plan.type = options.base_dtype;
  plan.start = options.start;
  plan.tuning = options.tuning;
  plan.low_rank = options.low_rank;
  plan.targets = options.targets;
  plan.seed = static_cast<std::uint64_t>(options.seed);
  return plan;
}

void print_row(const std::string& label, std::vector<ErrorReduction> kinds,
               double ErrorReduction::* share, std::ostream& out) {
  kinds.push_back(average_of(kinds));
  out << "  " << label << std::string(10 - label.size(), ' ');
  for (const ErrorReduction& kind : kinds) {
    out << pad_left(fixed(100 * kind.*share, 1), 10);
  }
  out << "\n";
}

void print_table(const QuantizeReport& report, ErrorTable errors, std::ostream& out) {
  if (errors == ErrorTable::kNone) return;
  const std::vector<ErrorReduction> kinds = error_reductions(report);
  out << "Error below plain rounding, % (mean over the layers of a kind)\n  "
      << std::string(10, ' ');
  for (const ErrorReduction& each : kinds) {
    out << std::string(each.kind.size() < 10 ? 10 - each.kind.size() : 1, ' ') << each.kind;
  }
  out << "   average\n";
  if (errors == ErrorTable::kNuclear) print_row("nuclear", kinds, &ErrorReduction::nuclear, out);
  print_row("Frobenius", kinds, &ErrorReduction::frobenius, out);
}

}  // namespace

int run(const QuantizeCommandOptions& options, CommandContext& context) {
  prepare_threads(options.threads, context);
  Model model = load_model(options.model, {std::nullopt, /*check_finite=*/true});
  for (const std::string& warning : model.warnings) context.warn(warning);
  Progress progress({.label = "quantize", .unit = "layer"});
  QuantizeOptions quantize;
  quantize.measure = options.errors != ErrorTable::kNone;
  quantize.measure_nuclear = options.errors == ErrorTable::kNuclear;
  quantize.progress = [&](std::int64_t done, std::int64_t total) {
    ProgressSample sample;
    sample.done = done;
    sample.total = total;
    progress.update(sample);
  };
  const QuantizeReport report = quantize_model(model, plan_of(options), options.output, quantize);
  progress.finish();
  print_table(report, options.errors, context.out);
  context.out << "Quantised " << report.layers.size() << " layers in " << fixed(report.seconds, 1)
              << " s, " << fixed(bits_per_weight(report), 2)
              << (report.has_adapter ? " bits per weight with the adapter in fp32\n"
                                     : " bits per weight\n")
              << "Wrote " << format_bytes(report.bytes) << " to "
              << (options.output / "base").string() << "\n";
  if (report.has_adapter) {
    context.out << "Wrote its adapter to " << (options.output / "adapter").string()
                << "; the base is of use with this adapter only\n";
  }
  return 0;
}

}  // namespace svtune
