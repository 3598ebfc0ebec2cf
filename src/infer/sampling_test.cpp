// Drawn tokens against the distribution that the options describe, worked out another way.
#include "infer/sampling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace sampling_test {

// p of every token: softmax, the K first by falling p, of these the shortest prefix that holds P.
std::vector<double> exact_distribution(const std::vector<float>& logits,
                                       const SamplingOptions& options) {
  const std::size_t vocab = logits.size();
  std::vector<std::size_t> order(vocab);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](auto a, auto b) { return logits[a] > logits[b]; });
  if (options.top_k > 0 && static_cast<std::size_t>(options.top_k) < vocab) {
    order.resize(static_cast<std::size_t>(options.top_k));
  }
  const auto normalise = [&](std::vector<double>& p) {
    const double sum = std::accumulate(p.begin(), p.end(), 0.0);
    for (double& each : p) each /= sum;
  };
  std::vector<double> p;
  for (const std::size_t id : order) p.push_back(std::exp(logits[id] / options.temperature));
  normalise(p);
  double held = 0;
  std::size_t kept = 0;
  while (kept < p.size() && held < options.top_p) held += p[kept++];
  p.resize(kept);
  normalise(p);
  std::vector<double> all(vocab, 0.0);
  for (std::size_t i = 0; i < p.size(); ++i) all[order[i]] = p[i];
  return all;
}

// The value that chi-square with `freedom` degrees exceeds with probability 1e-6 (Wilson and
// Hilferty's cube root, z = 4.753): a right sampler with a fresh seed fails one case in a million.
double critical_value(double freedom) {
  const double part = 2.0 / (9.0 * freedom);
  return freedom * std::pow(1 - part + 4.753 * std::sqrt(part), 3);
}

std::vector<float> uneven_logits() {
  std::vector<float> logits;
  Xoshiro256 random(5);
  for (int i = 0; i < 40; ++i) logits.push_back(static_cast<float>(1.5 * random.normal()));
  logits[7] = logits[21];  // a tie
  return logits;
}

struct SamplingCase {
  double temperature;
  std::int64_t top_k;
  double top_p;
  friend std::ostream& operator<<(std::ostream& out, const SamplingCase& each) {
    return out << "temperature " << each.temperature << " top_k " << each.top_k << " top_p "
               << each.top_p;
  }
};

class SampleToken : public testing::TestWithParam<SamplingCase> {};

TEST_P(SampleToken, FollowsTheExactDistribution) {
  constexpr int kDraws = 20000;
  const auto& [temperature, top_k, top_p] = GetParam();
  const SamplingOptions options{temperature, top_k, top_p, 0};
  const std::vector<float> logits = uneven_logits();
  const std::vector<double> p = exact_distribution(logits, options);
  const at::Tensor row = at::tensor(logits);
  Xoshiro256 random(11);
  std::vector<int> count(p.size(), 0);
  for (int i = 0; i < kDraws; ++i) ++count[sample_token(row, options, random)];
  // Tokens that are expected fewer than five times share one class.
  double statistic = 0, rare_expected = 0, rare_count = 0;
  int classes = 0;
  const auto add = [&](double seen, double expected) {
    statistic += (seen - expected) * (seen - expected) / expected;
    ++classes;
  };
  for (std::size_t id = 0; id < p.size(); ++id) {
    const double expected = kDraws * p[id];
    if (p[id] == 0) {
      EXPECT_EQ(count[id], 0) << "token " << id << " is outside the kept ones";
    } else if (expected < 5) {
      rare_expected += expected;
      rare_count += count[id];
    } else {
      add(count[id], expected);
    }
  }
  if (rare_expected > 0) add(rare_count, rare_expected);
  if (classes > 1) {
    EXPECT_LT(statistic, critical_value(classes - 1));
  }
}

INSTANTIATE_TEST_SUITE_P(Sampling, SampleToken,
                         testing::Values(SamplingCase{1, 0, 1}, SamplingCase{0.5, 0, 1},
                                         SamplingCase{3, 0, 1}, SamplingCase{1, 5, 1},
                                         SamplingCase{1, 1, 1}, SamplingCase{1, 1000, 1},
                                         SamplingCase{1, 0, 0.9}, SamplingCase{1, 0, 0.3},
                                         SamplingCase{1.5, 12, 0.7}, SamplingCase{1, 0, 1e-9}));

TEST(SampleToken, TakesTheSmallestIdAmongTheLargestWithoutTemperature) {
  Xoshiro256 random(1);
  EXPECT_EQ(sample_token(at::tensor({1.0f, 3.0f, 3.0f, -2.0f}), {}, random), 1);
}

TEST(SampleToken, RefusesLogitsThatAreNotFinite) {
  for (const float broken :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    for (const double temperature : {0.0, 1.0}) {
      Xoshiro256 random(1);
      const at::Tensor row = at::tensor({1.0f, broken, 3.0f});
      EXPECT_THROW(sample_token(row, {temperature, 0, 1, 0}, random), RunError) << broken;
    }
  }
}

}  // namespace sampling_test
}  // namespace svtune
