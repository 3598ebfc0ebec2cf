#include "quant/rank_budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

namespace svtune {
namespace rank_budget_test {

using ::testing::ElementsAre;

double removed(const std::vector<LayerSpectrum>& layers, const std::vector<std::int64_t>& ranks) {
  double total = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    for (std::int64_t k = 0; k < ranks[i]; ++k) {
      const double sigma = layers[i].sigma[static_cast<std::size_t>(k)];
      total += sigma * sigma;
    }
  }
  return total;
}

std::int64_t parameters(const std::vector<LayerSpectrum>& layers,
                        const std::vector<std::int64_t>& ranks) {
  std::int64_t total = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    total += ranks[i] * (layers[i].out_features + layers[i].in_features);
  }
  return total;
}

TEST(AllocateRanks, EqualLayersShareEqually) {
  const LayerSpectrum layer{8, 8, {4, 3, 2, 1}};
  EXPECT_THAT(allocate_ranks({layer, layer, layer}, 2), ElementsAre(2, 2, 2));
}

TEST(AllocateRanks, SteepSpectraAndCheapLayersGetMore) {
  const LayerSpectrum steep{8, 8, {9, 8, 7, 6}}, flat{8, 8, {1, 1, 1, 1}};
  EXPECT_THAT(allocate_ranks({flat, steep}, 2), ElementsAre(1, 3));
  const LayerSpectrum small{2, 2, {3, 3, 3, 3}}, large{4, 4, {3, 3, 3, 3}};
  EXPECT_THAT(allocate_ranks({large, small}, 2), ElementsAre(1, 4));
}

// All ways of spending the budget on three layers.
TEST(AllocateRanks, NoOtherRanksRemoveMore) {
  const std::vector<LayerSpectrum> layers = {
      {6, 6, {5, 4, 2, 2, 1}}, {6, 6, {3, 3, 3, 0.5, 0.1}}, {6, 6, {9, 1, 1, 1, 1}}};
  const std::vector<std::int64_t> ranks = allocate_ranks(layers, 2);
  EXPECT_LE(parameters(layers, ranks), 3 * 2 * 12);
  double best = 0;
  for (std::int64_t a = 1; a <= 4; ++a) {
    for (std::int64_t b = 1; a + b <= 5; ++b) {
      best = std::max(best, removed(layers, {a, b, 6 - a - b}));
    }
  }
  EXPECT_EQ(removed(layers, ranks), best);
}

TEST(AllocateRanks, KeepsTheBudgetAndTheLimits) {
  const std::vector<LayerSpectrum> layers = {
      {3, 5, {2, 1}}, {100, 7, {50, 40, 30}}, {9, 9, {}}, {4, 4, {1, 1, 1, 1}}};
  for (const std::int64_t average : {1, 2, 3, 50}) {
    const std::vector<std::int64_t> ranks = allocate_ranks(layers, average);
    std::int64_t allowed = 0;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const auto largest = static_cast<std::int64_t>(layers[i].sigma.size());
      EXPECT_LE(ranks[i], largest);
      EXPECT_GE(ranks[i], std::min<std::int64_t>(1, largest));
      allowed += std::min(average, largest) * (layers[i].out_features + layers[i].in_features);
    }
    EXPECT_LE(parameters(layers, ranks), allowed);
  }
  EXPECT_THAT(allocate_ranks(layers, 50), ElementsAre(2, 3, 0, 4));
}

TEST(AllocateRanks, RefusesNonsense) {
  EXPECT_THROW(allocate_ranks({{4, 4, {1, 1}}}, 0), std::invalid_argument);
  EXPECT_THROW(allocate_ranks({{4, 4, {1, 2}}}, 1), std::invalid_argument);
  EXPECT_TRUE(allocate_ranks({}, 4).empty());
}

}  // namespace rank_budget_test
}  // namespace svtune
