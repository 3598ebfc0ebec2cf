#include "attach/layer_kinds.h"

#include <algorithm>

#include "base/text_util.h"

namespace svtune {

std::vector<LayerKind> layer_kinds(const StartReport& report) {
  std::vector<LayerKind> kinds;
  for (const AdaptedLayer& layer : report.layers) {
    const std::string name = last_part(layer.name);
    auto found = std::ranges::find_if(kinds, [&](const LayerKind& kind) {
      return kind.name == name && kind.out_features == layer.out_features &&
             kind.in_features == layer.in_features;
    });
    if (found == kinds.end()) {
      found = kinds.insert(kinds.end(), {name, layer.out_features, layer.in_features});
    }
    ++found->layers;
    found->trainable += layer.trainable;
  }
  return kinds;
}

double trainable_percent(const StartReport& report) {
  return 100.0 * static_cast<double>(report.trainable) / static_cast<double>(report.total);
}

}  // namespace svtune
