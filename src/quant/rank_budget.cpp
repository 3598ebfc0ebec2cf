#include "quant/rank_budget.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace svtune {
namespace {

struct Step {
  double gain;  // squared error per parameter
  std::size_t layer;
};

std::int64_t cost_of(const LayerSpectrum& layer) { return layer.out_features + layer.in_features; }

void check(const std::vector<LayerSpectrum>& layers, std::int64_t average_rank) {
  if (average_rank < 1) {
    throw std::invalid_argument("[allocate_ranks] got average rank " +
                                std::to_string(average_rank) + ", need 1 or more");
  }
  for (const LayerSpectrum& layer : layers) {
    if (!std::is_sorted(layer.sigma.rbegin(), layer.sigma.rend())) {
      throw std::invalid_argument("[allocate_ranks] singular values must be descending");
    }
  }
}

}  // namespace

std::vector<std::int64_t> allocate_ranks(const std::vector<LayerSpectrum>& layers,
                                         std::int64_t average_rank) {
  check(layers, average_rank);
  std::vector<std::int64_t> ranks(layers.size());
  std::vector<Step> steps;
  std::int64_t budget = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const LayerSpectrum& layer = layers[i];
    const auto largest = static_cast<std::int64_t>(layer.sigma.size());
    ranks[i] = std::min<std::int64_t>(1, largest);
    budget += cost_of(layer) * (std::min(average_rank, largest) - ranks[i]);
    for (std::int64_t k = 1; k < largest; ++k) {
      const double sigma = layer.sigma[static_cast<std::size_t>(k)];
      steps.push_back({sigma * sigma / static_cast<double>(cost_of(layer)), i});
    }
  }
  // Within a layer gains descend, so the order of all steps is that of spending.
  std::stable_sort(steps.begin(), steps.end(),
                   [](const Step& a, const Step& b) { return a.gain > b.gain; });
  std::vector<bool> full(layers.size());  // a step of it did not fit
  for (const Step& step : steps) {
    const std::int64_t cost = cost_of(layers[step.layer]);
    full[step.layer] = full[step.layer] || cost > budget;
    if (full[step.layer]) continue;
    budget -= cost;
    ++ranks[step.layer];
  }
  return ranks;
}

}  // namespace svtune
