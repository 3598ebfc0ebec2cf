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

TEST(LabelMetrics, NoNumberHasNoInterval) {
  const std::vector<double> some = {1, 2}, same = {1, 1};
  EXPECT_EQ(describe(regression_metrics(some, same, {.resamples = 0})),
            "pearson nan, spearman nan, mean squared error 0.5");
}

// What conlleval counts, word by word: a span begins where the word before is no part of it and
// ends where the next one is none.
constexpr const char* kSpanOracle = R"(
import json, random, sys
def part(tag):
    return tag[0].translate({76: "E", 85: "S"}), tag[2:]
def begins(before, tag):
    (a, x), (b, y) = part(before), part(tag)
    return b != "O" and (b in "BS" or a in "OES" or x != y)
def ends(tag, after):
    (a, x), (b, y) = part(tag), part(after)
    return a != "O" and (a in "ES" or b in "OBS" or x != y)
def spans(tags):
    tags = ["O", *tags, "O"]
    starts = [i for i in range(1, len(tags) - 1) if begins(tags[i - 1], tags[i])]
    stops = [i for i in range(1, len(tags) - 1) if ends(tags[i], tags[i + 1])]
    return {(a, b, tags[a][2:]) for a, b in zip(starts, stops, strict=True)}
out = []
for seed in range(60):
    r = random.Random(seed)
    names = ["O", *[f"{p}-{k}" for k in ("PER", "LOC-X") for p in r.choice(["BI", "BIES", "BILU", "I"])]]
    ends_, wanted, predicted, right, found, true = [], [], [], 0, 0, 0
    for _ in range(r.randint(1, 9)):
        y = r.choices(range(len(names)), k=r.randint(1, 8))
        p = [t if r.random() < .7 else r.randrange(len(names)) for t in y]
        a, b = spans([names[t] for t in p]), spans([names[t] for t in y])
        right, found, true = right + len(a & b), found + len(a), true + len(b)
        wanted += y; predicted += p; ends_.append(len(wanted))
    out.append(dict(names=names, ends=ends_, wanted=wanted, predicted=predicted,
                    f1=2 * right / (found + true) if found + true else 0,
                    precision=right / found if found else 0, recall=right / true if true else 0,
                    accuracy=sum(a == b for a, b in zip(wanted, predicted)) / len(wanted)))
json.dump(out, sys.stdout))";

TEST(LabelMetrics, SpansAreCountedAsConllevalDoes) {
  const std::string python = test::oracle_python("json");
  if (python.empty()) GTEST_SKIP() << "no Python";
  for (const Json& one : Json::parse(test::run_oracle(python, kSpanOracle))) {
    SCOPED_TRACE(one.dump());
    const std::vector<SpanTag> tags = span_tags(one.at("names").get<std::vector<std::string>>());
    const auto predicted = one.at("predicted").get<std::vector<std::int64_t>>();
    const auto wanted = one.at("wanted").get<std::vector<std::int64_t>>();
    const auto ends = one.at("ends").get<std::vector<std::size_t>>();
    const auto metrics = tagging_metrics(
        {predicted, wanted, ends, static_cast<std::int64_t>(tags.size()), tags}, {.resamples = 5});
    ASSERT_EQ(metrics.size(), 5U);
    for (const Measured& each : metrics) {
      if (each.name == "matthews") continue;
      EXPECT_NEAR(each.value, one.at(each.name).get<double>(), 1e-12) << each.name;
    }
  }
}

TEST(LabelMetrics, OtherNamesAreNoSpans) {
  EXPECT_TRUE(span_tags({"O", "B-A", "NOUN"}).empty());
  EXPECT_TRUE(span_tags({"O", "0"}).empty());
  EXPECT_TRUE(span_tags({"O"}).empty());
  const std::vector<std::int64_t> predicted = {0, 1, 1, 0}, wanted = {0, 1, 0, 0};
  const std::vector<std::size_t> ends = {1, 4};
  const auto metrics = tagging_metrics({predicted, wanted, ends, 2}, {.resamples = 20});
  EXPECT_EQ(metrics[0].name, "accuracy");
  EXPECT_DOUBLE_EQ(metrics[0].value, 0.75);
  // Either text may be drawn twice: shares of 4 words or of 2 and 6.
  EXPECT_GE(metrics[0].low, 2.0 / 3);
  EXPECT_LE(metrics[0].high, 1);
}

}  // namespace label_metrics_test
}  // namespace svtune
