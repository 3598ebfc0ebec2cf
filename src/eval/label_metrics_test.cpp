#include "eval/label_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/oracle_test_util.h"
#include "base/random.h"

namespace svtune {
namespace label_metrics_test {

using testing::HasSubstr;

// The formulas of scikit-learn's metrics and scipy.stats, written out.
constexpr const char* kOracle = R"(
import json, sys, numpy as np
def f1(p, y, c):
    tp = np.sum((p == c) & (y == c)); d = np.sum(p == c) + np.sum(y == c)
    return 2 * tp / d if d else 0.0
def rank(x):
    return np.array([(np.sum(x < v) + np.sum(x <= v) + 1) / 2 for v in x])
def corr(a, b):
    a, b = a - a.mean(), b - b.mean()
    return float(np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b)))
out = []
for seed in range(40):
    r = np.random.default_rng(seed)
    n, k = int(r.integers(2, 60)), int(r.integers(2, 6))
    y = r.integers(0, k, n); p = np.where(r.random(n) < .6, y, r.integers(0, k, n))
    used = np.union1d(y, p)
    f = f1(p, y, 1) if k == 2 else float(np.mean([f1(p, y, c) for c in used]))
    Y, P = np.eye(k)[y], np.eye(k)[p]
    cov = lambda a, b: np.sum((a - a.mean(0)) * (b - b.mean(0)))
    s = np.sqrt(cov(Y, Y) * cov(P, P)); m = cov(Y, P) / s if s else 0.0
    a = np.round(r.normal(size=n), 1); b = np.round(a + r.normal(size=n), 1)
    ok = a.std() > 0 and b.std() > 0
    out.append(dict(classes=k, wanted=y.tolist(), predicted=p.tolist(), accuracy=float(np.mean(y == p)),
                    f1=float(f), matthews=float(m), a=a.tolist(), b=b.tolist(),
                    pearson=corr(a, b) if ok else None, spearman=corr(rank(a), rank(b)) if ok else None,
                    mean_squared_error=float(np.mean((a - b) ** 2))))
json.dump(out, sys.stdout))";

void expect_metric(const std::vector<Measured>& metrics, const Json& wanted) {
  for (const Measured& each : metrics) {
    if (wanted.at(each.name).is_null()) {
      EXPECT_TRUE(std::isnan(each.value)) << each.name;
    } else {
      // The same sums in another order.
      EXPECT_NEAR(each.value, wanted.at(each.name).get<double>(), 1e-12) << each.name;
    }
  }
}

TEST(LabelMetrics, EqualTheFormulasInNumpy) {
  const std::string python = test::oracle_python("numpy");
  if (python.empty()) GTEST_SKIP() << "no Python with numpy";
  const Json cases = Json::parse(test::run_oracle(python, kOracle));
  ASSERT_EQ(cases.size(), 40U);
  for (const Json& one : cases) {
    const auto predicted = one.at("predicted").get<std::vector<std::int64_t>>();
    const auto wanted = one.at("wanted").get<std::vector<std::int64_t>>();
    const auto classes = one.at("classes").get<std::int64_t>();
    expect_metric(classification_metrics(predicted, wanted, classes, {.resamples = 3}), one);
    const auto a = one.at("a").get<std::vector<double>>();
    const auto b = one.at("b").get<std::vector<double>>();
    expect_metric(regression_metrics(a, b, {.resamples = 3}), one);
  }
}

// A table of all pairs would take 3 GiB for each resample.
TEST(LabelMetrics, ThousandsOfClassesTakeNoSquare) {
  std::vector<std::int64_t> wanted, predicted;
  for (std::int64_t i = 0; i < 200; ++i) {
    wanted.push_back(i * 100);
    predicted.push_back(i % 2 == 0 ? i * 100 : 19'999);
  }
  const auto metrics = classification_metrics(predicted, wanted, 20'000, {.resamples = 50});
  EXPECT_DOUBLE_EQ(metrics[0].value, 0.5);
  // Of 201 classes that occur or are predicted a hundred are always right.
  EXPECT_DOUBLE_EQ(metrics[1].value, 100.0 / 201);
}

TEST(LabelMetrics, OneClassOnlyHasNoCorrelation) {
  const std::vector<std::int64_t> ones(5, 1), mixed = {0, 1, 1, 0, 1};
  const auto metrics = classification_metrics(ones, mixed, 2, {.resamples = 0});
  EXPECT_DOUBLE_EQ(metrics[0].value, 0.6);
  EXPECT_DOUBLE_EQ(metrics[1].value, 0.75);
  EXPECT_DOUBLE_EQ(metrics[2].value, 0);
  EXPECT_EQ(metrics[0].low, metrics[0].high);
  const std::vector<double> constant(4, 2), other = {1, 2, 3, 4};
  EXPECT_TRUE(std::isnan(pearson(constant, other)));
}

// Of a share p of n documents the deviation is sqrt(p (1 - p) / n): the interval is about twice
// that on either side.
TEST(LabelMetrics, IntervalsAreThoseOfAShare) {
  Xoshiro256 random(1);
  std::vector<std::int64_t> predicted, wanted;
  for (int i = 0; i < 1000; ++i) {
    wanted.push_back(i % 2);
    predicted.push_back(random.uniform() < 0.8 ? i % 2 : 1 - i % 2);
  }
  const auto metrics = classification_metrics(predicted, wanted, 2, {.seed = 1});
  const double share = metrics[0].value;
  const double half = 1.96 * std::sqrt(share * (1 - share) / 1000);
  // 1000 resamples place a percentile within a few hundredths of a deviation.
  EXPECT_NEAR(metrics[0].low, share - half, 0.15 * half);
  EXPECT_NEAR(metrics[0].high, share + half, 0.15 * half);
  const auto again = classification_metrics(predicted, wanted, 2, {.seed = 1});
  EXPECT_EQ(again[1].low, metrics[1].low);
  const auto other = classification_metrics(predicted, wanted, 2, {.seed = 2});
  EXPECT_NE(other[2].low, metrics[2].low);
  EXPECT_THAT(describe(metrics), HasSubstr("accuracy "));
  EXPECT_THAT(describe(metrics), HasSubstr("matthews 0."));
}

}  // namespace label_metrics_test
}  // namespace svtune
