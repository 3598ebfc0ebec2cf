#include "quantized_base/quantize_summary.h"

#include <algorithm>

#include "base/text_util.h"

namespace svtune {
namespace {

double reduction(double error, double plain) { return plain > 0 ? 1 - error / plain : 0; }

}  // namespace

std::vector<ErrorReduction> error_reductions(const QuantizeReport& report) {
  std::vector<ErrorReduction> kinds;
  for (const QuantizedLayer& layer : report.layers) {
    const std::string name = last_part(layer.name);
    auto found = std::ranges::find(kinds, name, &ErrorReduction::kind);
    if (found == kinds.end()) found = kinds.insert(kinds.end(), ErrorReduction{name});
    ++found->layers;
    found->frobenius += reduction(layer.frobenius, layer.plain_frobenius);
    found->nuclear += reduction(layer.nuclear, layer.plain_nuclear);
  }
  for (ErrorReduction& kind : kinds) {
    kind.frobenius /= static_cast<double>(kind.layers);
    kind.nuclear /= static_cast<double>(kind.layers);
  }
  return kinds;
}

ErrorReduction average_of(const std::vector<ErrorReduction>& kinds) {
  ErrorReduction average{"average"};
  const auto count = static_cast<double>(std::max<std::size_t>(1, kinds.size()));
  for (const ErrorReduction& kind : kinds) {
    average.layers += kind.layers;
    average.frobenius += kind.frobenius / count;
    average.nuclear += kind.nuclear / count;
  }
  return average;
}

double bits_per_weight(const QuantizeReport& report) {
  double bits = 0, weights = 0;
  for (const QuantizedLayer& layer : report.layers) {
    const double count = static_cast<double>(layer.out_features * layer.in_features);
    const auto factors = static_cast<double>(layer.rank * (layer.out_features + layer.in_features));
    bits += layer.bits_per_weight * count + 32 * factors;
    weights += count;
  }
  return weights > 0 ? bits / weights : 0;
}

}  // namespace svtune
