// The spectra of a model's weights as one page: singular values, energy against rank, what a
// rank-r part leaves behind, the error of 4 bits, and where an update went.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "report/report_input.h"

namespace svtune {

// Parts of ‖ΔW‖² by the singular directions of W, averaged over its two sides; the thirds and
// what lies outside of all directions (a weight that is not square) add up to 1.
struct UpdateShares {
  double leading = 0;  // the `rank` first directions
  double principal = 0, medium = 0, minor = 0;
  double outside = 0;
  double relative_norm = 0;  // ‖ΔW‖ / ‖W‖
};

struct SpectrumLayer {
  std::string name;  // as in the checkpoint
  std::int64_t rows = 0, columns = 0;
  std::vector<double> sigma = {};  // all singular values, descending
  double quantised_error = 0;      // of plain NF4, relative (Frobenius)
  double residual_scale = 0;       // standard deviation of the residual's entries over W's
  // Densities of the entries of W and of the residual over kHistogramBins equal bins from
  // -kHistogramReach to kHistogramReach standard deviations of W.
  std::vector<double> weight_density = {}, residual_density = {};
  std::optional<UpdateShares> update = {};

  // Σσ² of the first `rank` over all.
  double energy(std::int64_t rank) const;
};

inline constexpr std::int64_t kHistogramBins = 81;
inline constexpr double kHistogramReach = 4;

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
