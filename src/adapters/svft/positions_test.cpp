#include "adapters/svft/positions.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <utility>

#include "libtorch/prelude.h"

namespace svtune {
namespace positions_test {

using Pairs = std::set<std::pair<int, int>>;

Pairs pairs_of(const at::Tensor& positions) {
  Pairs pairs;
  for (std::int64_t k = 0; k < positions.size(1); ++k) {
    pairs.emplace(positions[0][k].item<int>(), positions[1][k].item<int>());
  }
  return pairs;
}

bool row_major(const at::Tensor& positions, std::int64_t n) {
  const at::Tensor flat = positions[0].to(at::kLong) * n + positions[1].to(at::kLong);
  return flat.numel() < 2 || flat.diff().gt(0).all().item<bool>();
}

// The formula n(2d+1) - d(d+1) against counting.
TEST(SvftPositions, BandIsWhatTheFormulaCounts) {
  for (const auto& [n, d] :
       {std::pair{1, 0}, std::pair{7, 0}, std::pair{7, 2}, std::pair{7, 6}, std::pair{40, 16}}) {
    Pairs expected;
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j < n; ++j) {
        if (std::abs(i - j) <= d) expected.emplace(i, j);
      }
    }
    const at::Tensor positions = banded_positions(n, d);
    EXPECT_EQ(pairs_of(positions), expected);
    EXPECT_TRUE(row_major(positions, n));
    EXPECT_EQ(banded_count(n, d), static_cast<std::int64_t>(expected.size()));
  }
}

// Gemma-2B, all seven linear types, as the paper counts them.
TEST(SvftPositions, CountsOfThePaper) {
  const auto total = [](std::int64_t d) {
    // 18 layers: q, o 2048; k, v 256; gate, up, down 2048.
    return 18 * (5 * banded_count(2048, d) + 2 * banded_count(256, d));
  };
  EXPECT_EQ(total(0), 193536);
  EXPECT_EQ(total(8), 3281040);
  EXPECT_EQ(total(16), 6352416);
}

TEST(SvftPositions, RandomOnesAreDistinctSeededAndUniform) {
  const std::int64_t n = 30, count = banded_count(n, 4);
  const at::Tensor positions = random_positions(n, count, 5);
  EXPECT_EQ(static_cast<std::int64_t>(pairs_of(positions).size()), count);
  EXPECT_TRUE(row_major(positions, n));
  EXPECT_TRUE(positions.equal(random_positions(n, count, 5)));
  EXPECT_FALSE(positions.equal(random_positions(n, count, 6)));
  EXPECT_EQ(pairs_of(random_positions(5, 25, 1)).size(), 25u);
  // 400 draws of 100 among 900 cells: each cell has mean 44.4, deviation 6.3.
  at::Tensor hits = at::zeros({n * n});
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    const at::Tensor drawn = random_positions(n, 100, seed).to(at::kLong);
    hits.index_add_(0, drawn[0] * n + drawn[1], at::ones({100}));
  }
  EXPECT_LT((hits - 400.0 * 100 / 900).abs().max().item<double>(), 5.5 * 6.3);
}

TEST(SvftPositions, TopOnesIgnoreTheSign) {
  const at::Tensor alignment =
      at::tensor({0.1, -0.9, 0.2, 0.3, 0.05, -0.4, 0.8, 0.0, 0.6}).view({3, 3});
  EXPECT_EQ(pairs_of(top_positions(alignment, 4)), (Pairs{{0, 1}, {2, 0}, {2, 2}, {1, 2}}));
  EXPECT_TRUE(row_major(top_positions(alignment, 4), 3));
}

}  // namespace positions_test
}  // namespace svtune
