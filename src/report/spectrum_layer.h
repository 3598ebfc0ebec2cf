// What a report knows of one weight's spectrum.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

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

}  // namespace svtune
