#include "cli/quantize_command.h"

#include <cstdio>

#include "api/prepare_torch.h"
#include "base/errors.h"
#include "base/number_text.h"
#include "base/text_util.h"
#include "cli/core/progress.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

QuantizePlan plan_of(const QuantizeCommandOptions& options) {
  QuantizePlan plan;
  plan.type = options.base_dtype.value_or(QuantType::kNf4);
  plan.tuning = options.tuning;
  plan.low_rank = options.low_rank;
  plan.targets = options.targets;
  plan.seed = static_cast<std::uint64_t>(options.seed);
  switch (options.method) {
    case QuantizeMethod::kLoftq:
      plan.method = LowRankQuantMethod::kLoftq;
      break;
    case QuantizeMethod::kQpissa:
      plan.method = LowRankQuantMethod::kQpissa;
      break;
    case QuantizeMethod::kNf4:
      plan.type = QuantType::kNf4;
      break;
    case QuantizeMethod::kFp4:
      plan.type = QuantType::kFp4;
      break;
    case QuantizeMethod::kInt8:
      plan.type = QuantType::kInt8;
      break;
  }
  return plan;
}

// Error reductions of one kind of layer: "q_proj" and so on, in the model's order.
struct Kind {
  std::string name;
  std::int64_t layers = 0;
  double frobenius = 0, nuclear = 0;  // sums over its layers
};

double reduction(double error, double plain) { return plain > 0 ? 1 - error / plain : 0; }

std::vector<Kind> by_kind(const QuantizeReport& report) {
  std::vector<Kind> kinds;
  for (const QuantizedLayer& layer : report.layers) {
    const std::string name = layer.name.substr(layer.name.rfind('.') + 1);
    auto found = std::ranges::find(kinds, name, &Kind::name);
    if (found == kinds.end()) found = kinds.insert(kinds.end(), Kind{name});
    ++found->layers;
    found->frobenius += reduction(layer.frobenius, layer.plain_frobenius);
    found->nuclear += reduction(layer.nuclear, layer.plain_nuclear);
  }
  return kinds;
}

void print_row(const std::string& label, const std::vector<Kind>& kinds, double Kind::* sum,
               std::ostream& out) {
  double total = 0;
  out << "  " << label << std::string(10 - label.size(), ' ');
  for (const Kind& kind : kinds) {
    const double mean = kind.*sum / static_cast<double>(kind.layers);
    total += mean / static_cast<double>(kinds.size());
    out << right_aligned(fixed(100 * mean, 1), 10);
  }
  out << right_aligned(fixed(100 * total, 1), 10) << "\n";
}

void print_table(const QuantizeReport& report, ErrorTable errors, std::ostream& out) {
  if (errors == ErrorTable::kNone) return;
  const std::vector<Kind> kinds = by_kind(report);
  out << "Error below plain rounding, % (mean over the layers of a kind)\n  "
      << std::string(10, ' ');
  for (const Kind& kind : kinds) {
    out << std::string(kind.name.size() < 10 ? 10 - kind.name.size() : 1, ' ') << kind.name;
  }
  out << "   average\n";
  if (errors == ErrorTable::kNuclear) print_row("nuclear", kinds, &Kind::nuclear, out);
  print_row("Frobenius", kinds, &Kind::frobenius, out);
}

double bits_per_weight(const QuantizeReport& report) {
  double bits = 0, weights = 0;
  for (const QuantizedLayer& layer : report.layers) {
    const double count = static_cast<double>(layer.out_features * layer.in_features);
    const auto factors = static_cast<double>(layer.rank * (layer.out_features + layer.in_features));
    bits += layer.bits_per_weight * count + 32 * factors;
    weights += count;
  }
  return bits / weights;
}

}  // namespace

int run(const QuantizeCommandOptions& options, CommandContext& context) {
  prepare_torch(options.threads);
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
