// Generators against published first outputs, and statistical checks with stated tolerance.
#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace svtune {
namespace random_test {

TEST(SplitMix64, MatchesTheReferenceSequence) {
  // First outputs of the public-domain splitmix64.c for seed 1234567.
  SplitMix64 generator(1234567);
  EXPECT_EQ(generator.next_u64(), 6457827717110365317ULL);
  EXPECT_EQ(generator.next_u64(), 3203168211198807973ULL);
}

TEST(Xoshiro256, MatchesTheReferenceSequence) {
  // First outputs of the public-domain xoshiro256starstar.c for the state 1, 2, 3, 4.
  Xoshiro256 generator(0);
  generator.set_state({1, 2, 3, 4, 0, 0});
  EXPECT_EQ(generator.next_u64(), 11520ULL);
  EXPECT_EQ(generator.next_u64(), 0ULL);
  EXPECT_EQ(generator.next_u64(), 1509978240ULL);
  EXPECT_EQ(generator.next_u64(), 1215971899390074240ULL);
}

TEST(Xoshiro256, RestoredStateContinuesTheSequence) {
  Xoshiro256 first(7);
  first.normal();  // leaves a spare value that must be saved too
  Xoshiro256 second(0);
  second.set_state(first.state());
  for (int i = 0; i < 5; ++i) EXPECT_EQ(first.normal(), second.normal());
}

TEST(Xoshiro256, BoundedIsInRangeAndEven) {
  Xoshiro256 generator(1);
  std::vector<int> counts(7);
  for (int i = 0; i < 70000; ++i) ++counts.at(generator.bounded(7));
  // 10000 expected, standard deviation 93: five of them.
  for (int count : counts) EXPECT_NEAR(count, 10000, 465);
  EXPECT_EQ(generator.bounded(0), 0U);
  EXPECT_EQ(generator.bounded(1), 0U);
  EXPECT_LT(generator.bounded(UINT64_MAX), UINT64_MAX);
}

TEST(Xoshiro256, NormalHasTheRightMoments) {
  Xoshiro256 generator(2);
  double sum = 0, square = 0, fourth = 0;
  constexpr int kDraws = 200000;
  for (int i = 0; i < kDraws; ++i) {
    const double x = generator.normal();
    sum += x;
    square += x * x;
    fourth += x * x * x * x;
  }
  // Five standard errors: 1/sqrt(n), sqrt(2/n), sqrt(96/n).
  EXPECT_NEAR(sum / kDraws, 0, 0.0112);
  EXPECT_NEAR(square / kDraws, 1, 0.0159);
  EXPECT_NEAR(fourth / kDraws, 3, 0.11);
}

TEST(Xoshiro256, ShuffleIsAPermutationGivenBySeed) {
  std::vector<int> a(100), b(100);
  std::iota(a.begin(), a.end(), 0);
  std::iota(b.begin(), b.end(), 0);
  Xoshiro256 first(3), second(3);
  first.shuffle(std::span<int>(a));
  second.shuffle(std::span<int>(b));
  EXPECT_EQ(a, b);
  EXPECT_FALSE(std::is_sorted(a.begin(), a.end()));
  std::sort(a.begin(), a.end());
  std::iota(b.begin(), b.end(), 0);
  EXPECT_EQ(a, b);
}

}  // namespace random_test
}  // namespace svtune
