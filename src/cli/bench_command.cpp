#include "cli/bench_command.h"

#include <vector>

#include "base/number_text.h"
#include "base/text_util.h"
#include "cli/shared_steps.h"
#include "io/arithmetic.h"
#include "io/model.h"

namespace svtune {
namespace {

constexpr std::size_t kNameWidth = 10, kRateWidth = 9;

std::string row(const std::string& weights, const std::string& arithmetic,
                const std::vector<std::string>& rates) {
  std::string line = pad_right(weights, kNameWidth) + pad_right(arithmetic, kNameWidth);
  for (const std::string& rate : rates) line += pad_left(rate, kRateWidth);
  return line + "\n";
}

std::string row(const std::string& weights, const std::string& arithmetic,
                const ProductRate& rate) {
  if (rate.both() == 0) return row(weights, arithmetic, {"-", "-", "-"});
  return row(
      weights, arithmetic,
      {fixed(rate.forward / 1e9, 1), fixed(rate.backward / 1e9, 1), fixed(rate.both() / 1e9, 1)});
}

}  // namespace

int run(const BenchOptions& options, CommandContext& context) {
  const ThreadChoice threads = prepare_threads(options.threads, context);
  const Model model = load_model(options.model);
  const std::vector<ProductShape> shapes = product_shapes(model.spec());
  std::ostream& out = context.out;
  out << "Threads: " << threads.count << " (" << threads.reason << ")\nMatrices:";
  for (const ProductShape& shape : shapes) out << " [" << shape.out << ", " << shape.in << "]";
  out << "\n\n" << row("weights", "products", {"forward", "backward", "both"}) << std::flush;
  for (const at::ScalarType stored : {at::kBFloat16, at::kFloat}) {
    for (const at::ScalarType compute : {at::kBFloat16, at::kFloat}) {
      if (stored == at::kFloat && compute == at::kBFloat16) continue;
      out << row(dtype_text(stored), dtype_text(compute), product_rate(shapes, stored, compute))
          << std::flush;
    }
  }
  out << row("int8", "int8", int8_product_rate(shapes)) << "\n"
      << "Chosen here: " << model.arithmetic << "\n";
  return 0;
}

}  // namespace svtune
