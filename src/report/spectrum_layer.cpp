#include "report/spectrum_layer.h"

namespace svtune {

double SpectrumLayer::energy(std::int64_t rank) const {
  double leading = 0, all = 0;
  for (std::size_t i = 0; i < sigma.size(); ++i) {
    all += sigma[i] * sigma[i];
    if (static_cast<std::int64_t>(i) < rank) leading = all;
  }
  return all > 0 ? leading / all : 1;
}

}  // namespace svtune
