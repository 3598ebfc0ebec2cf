// The spectra of a model's weights as one page: singular values, energy against rank, what a
// rank-r part leaves behind, the error of 4 bits, and where an update went.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "report/report_input.h"
#include "report/spectrum_layer.h"

namespace svtune {

struct SpectrumInput {
  std::string title, subtitle, footer;
  std::int64_t rank = 16;  // of the principal part
  std::vector<ReportFact> facts;
  std::vector<SpectrumLayer> layers;  // in the order of the model
};

// Layers that play the same part: the last part of their names. In order of appearance.
struct SpectrumKind {
  std::string name;
  std::vector<const SpectrumLayer*> layers;
};
std::vector<SpectrumKind> spectrum_kinds(const std::vector<SpectrumLayer>& layers);

// Geometric mean over a kind's layers at `points` positions from the first value to the last.
std::vector<double> mean_spectrum(const SpectrumKind& kind, std::size_t points);

// Mean over a kind's layers of some number of theirs.
template <class Value>
double kind_mean(const SpectrumKind& kind, const Value& value) {
  double sum = 0;
  for (const SpectrumLayer* layer : kind.layers) sum += value(*layer);
  return sum / static_cast<double>(kind.layers.size());
}

// The whole page; needs no network and no script. Equal input gives equal bytes.
std::string render_spectrum(const SpectrumInput& input);

}  // namespace svtune
