#include "eval/label_metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/hash.h"
#include "base/number_text.h"
#include "base/random.h"

namespace svtune {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double ratio(double part, double whole) { return whole == 0 ? 0 : part / whole; }

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Ranks from 1; equal values share the mean of theirs.
std::vector<double> ranks_of(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return values[i]; });
  std::vector<double> ranks(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double rank = static_cast<double>(begin + 1 + end) / 2;
    for (std::size_t i = begin; i < end; ++i) ranks[order[i]] = rank;
    begin = end;
  }
  return ranks;
}

// Linear between the two nearest of sorted values, as numpy's default.
double percentile(std::span<const double> sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], place - static_cast<double>(below));
}

using Indices = std::vector<std::size_t>;

// Fills in the intervals: `measure` gives the metrics of some of the documents.
void add_intervals(std::vector<Measured>& metrics, std::size_t documents,
                   const Bootstrap& bootstrap,
                   const std::function<std::vector<double>(const Indices&)>& measure) {
  std::vector<std::vector<double>> resampled(metrics.size());
  Xoshiro256 random(derive_seed(bootstrap.seed, "bootstrap", ""));
  Indices chosen(documents);
  for (std::int64_t i = 0; i < bootstrap.resamples; ++i) {
    for (std::size_t& index : chosen) index = static_cast<std::size_t>(random.bounded(documents));
    const std::vector<double> values = measure(chosen);
    for (std::size_t m = 0; m < metrics.size(); ++m) {
      if (!std::isnan(values[m])) resampled[m].push_back(values[m]);
    }
  }
  for (std::size_t m = 0; m < metrics.size(); ++m) {
    metrics[m].low = metrics[m].high = metrics[m].value;
    if (resampled[m].empty()) continue;
    std::ranges::sort(resampled[m]);
    metrics[m].low = percentile(resampled[m], 0.025);
    metrics[m].high = percentile(resampled[m], 0.975);
  }
}

Indices all_of(std::size_t documents) {
  Indices indices(documents);
  std::iota(indices.begin(), indices.end(), std::size_t{0});
  return indices;
}

std::vector<Measured> with_intervals(
    const std::vector<std::string>& names, std::size_t documents, const Bootstrap& bootstrap,
    const std::function<std::vector<double>(const Indices&)>& measure) {
  const std::vector<double> values = measure(all_of(documents));
  std::vector<Measured> metrics;
  for (std::size_t m = 0; m < names.size(); ++m) metrics.push_back({names[m], values[m], 0, 0});
  add_intervals(metrics, documents, bootstrap, measure);
  return metrics;
}

// A span of words of a document, by seqeval's rules of what begins and ends one.
struct TagSpan {
  std::size_t begin, end;  // of the words; end is behind the last
  std::int64_t kind;
  bool operator==(const TagSpan&) const = default;
};

bool ends_between(const SpanTag& before, const SpanTag& tag) {
  if (before.part == 'O') return false;
  const bool ends = before.part == 'E' || before.part == 'S';
  const bool begins = tag.part == 'B' || tag.part == 'S' || tag.part == 'O';
  return ends || begins || before.kind != tag.kind;
}

bool begins_between(const SpanTag& before, const SpanTag& tag) {
  if (tag.part == 'O') return false;
  const bool begins = tag.part == 'B' || tag.part == 'S';
  const bool ended = before.part == 'O' || before.part == 'E' || before.part == 'S';
  return begins || ended || before.kind != tag.kind;
}

std::vector<TagSpan> spans_of(std::span<const std::int64_t> classes,
                              std::span<const SpanTag> tags) {
  std::vector<TagSpan> spans;
  SpanTag before;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= classes.size(); ++i) {
    const SpanTag tag = i < classes.size() ? tags[static_cast<std::size_t>(classes[i])] : SpanTag{};
    if (ends_between(before, tag)) spans.push_back({begin, i, before.kind});
    if (begins_between(before, tag)) begin = i;
    before = tag;
  }
  return spans;
}

struct SpanCounts {
  double right = 0, predicted = 0, wanted = 0;
};

// Of each document.
std::vector<SpanCounts> count_spans(const TaggedWords& words) {
  std::vector<SpanCounts> counts;
  std::size_t begin = 0;
  for (const std::size_t end : words.ends) {
    const auto predicted = spans_of(words.predicted.subspan(begin, end - begin), words.spans);
    const auto wanted = spans_of(words.wanted.subspan(begin, end - begin), words.spans);
    SpanCounts& each = counts.emplace_back();
    each.predicted = static_cast<double>(predicted.size());
    each.wanted = static_cast<double>(wanted.size());
    // Both are in order, and no two of a side begin at one word.
    std::size_t w = 0;
    for (const TagSpan& span : predicted) {
      while (w < wanted.size() && wanted[w].begin < span.begin) ++w;
      if (w < wanted.size() && wanted[w] == span) ++each.right;
    }
    begin = end;
  }
  return counts;
}

}  // namespace

std::vector<SpanTag> span_tags(const std::vector<std::string>& names) {
  std::vector<SpanTag> tags;
  std::vector<std::string> kinds;
  for (const std::string& name : names) {
    SpanTag tag;
    if (name != "O") {
      if (name.size() < 3 || name[1] != '-') return {};
      const char part = name[0] == 'L' ? 'E' : name[0] == 'U' ? 'S' : name[0];
      if (part != 'B' && part != 'I' && part != 'E' && part != 'S') return {};
      const std::string kind = name.substr(2);
      const auto found = std::ranges::find(kinds, kind);
      tag = {part, found - kinds.begin()};
      if (found == kinds.end()) kinds.push_back(kind);
    }
    tags.push_back(tag);
  }
  if (kinds.empty()) tags.clear();
  return tags;
}

ConfusionCounts::ConfusionCounts(std::int64_t classes)
    : right_(static_cast<std::size_t>(classes)),
      predicted_(static_cast<std::size_t>(classes)),
      wanted_(static_cast<std::size_t>(classes)) {}

void ConfusionCounts::add(std::int64_t predicted, std::int64_t wanted) {
  ++predicted_[static_cast<std::size_t>(predicted)];
  ++wanted_[static_cast<std::size_t>(wanted)];
  if (predicted == wanted) ++right_[static_cast<std::size_t>(wanted)];
}

double ConfusionCounts::accuracy() const {
  const std::int64_t right = std::accumulate(right_.begin(), right_.end(), std::int64_t{0});
  const std::int64_t total = std::accumulate(wanted_.begin(), wanted_.end(), std::int64_t{0});
  return ratio(static_cast<double>(right), static_cast<double>(total));
}

double ConfusionCounts::f1(std::int64_t of_class) const {
  const auto i = static_cast<std::size_t>(of_class);
  return ratio(2 * static_cast<double>(right_[i]), static_cast<double>(predicted_[i] + wanted_[i]));
}

double ConfusionCounts::macro_f1() const {
  double sum = 0;
  std::int64_t present = 0;
  for (std::size_t i = 0; i < right_.size(); ++i) {
    if (predicted_[i] + wanted_[i] == 0) continue;
    sum += f1(static_cast<std::int64_t>(i));
    ++present;
  }
  return ratio(sum, static_cast<double>(present));
}

double ConfusionCounts::matthews() const {
  double right = 0, total = 0, both = 0, by_prediction = 0, by_truth = 0;
  for (std::size_t i = 0; i < right_.size(); ++i) {
    const auto of_prediction = static_cast<double>(predicted_[i]);
    const auto of_truth = static_cast<double>(wanted_[i]);
    right += static_cast<double>(right_[i]);
    total += of_truth;
    both += of_prediction * of_truth;
    by_prediction += of_prediction * of_prediction;
    by_truth += of_truth * of_truth;
  }
  const double spread =
      std::sqrt(total * total - by_prediction) * std::sqrt(total * total - by_truth);
  return ratio(right * total - both, spread);
}

double pearson(std::span<const double> a, std::span<const double> b) {
  if (a.empty()) return kNaN;
  const double mean_a = mean_of(a), mean_b = mean_of(b);
  double together = 0, squares_a = 0, squares_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    together += (a[i] - mean_a) * (b[i] - mean_b);
    squares_a += (a[i] - mean_a) * (a[i] - mean_a);
    squares_b += (b[i] - mean_b) * (b[i] - mean_b);
  }
  if (squares_a == 0 || squares_b == 0) return kNaN;
  return std::clamp(together / (std::sqrt(squares_a) * std::sqrt(squares_b)), -1.0, 1.0);
}

double spearman(std::span<const double> a, std::span<const double> b) {
  return pearson(ranks_of(a), ranks_of(b));
}

double mean_squared_error(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum / static_cast<double>(a.size());
}

std::vector<Measured> classification_metrics(std::span<const std::int64_t> predicted,
                                             std::span<const std::int64_t> wanted,
                                             std::int64_t classes, const Bootstrap& bootstrap) {
  return with_intervals({"accuracy", "f1", "matthews"}, wanted.size(), bootstrap,
                        [&](const Indices& indices) -> std::vector<double> {
                          ConfusionCounts counts(classes);
                          for (const std::size_t i : indices) counts.add(predicted[i], wanted[i]);
                          const double f1 = classes == 2 ? counts.f1(1) : counts.macro_f1();
                          return {counts.accuracy(), f1, counts.matthews()};
                        });
}

std::vector<Measured> tagging_metrics(const TaggedWords& words, const Bootstrap& bootstrap) {
  const bool spans = !words.spans.empty();
  const std::vector<SpanCounts> found = spans ? count_spans(words) : std::vector<SpanCounts>();
  std::vector<std::string> names = {"accuracy", "f1", "matthews"};
  if (spans) names = {"f1", "precision", "recall", "accuracy", "matthews"};
  return with_intervals(
      names, words.ends.size(), bootstrap, [&](const Indices& documents) -> std::vector<double> {
        ConfusionCounts counts(words.classes);
        SpanCounts sums;
        for (const std::size_t d : documents) {
          for (std::size_t i = d == 0 ? 0 : words.ends[d - 1]; i < words.ends[d]; ++i) {
            counts.add(words.predicted[i], words.wanted[i]);
          }
          if (!spans) continue;
          sums.right += found[d].right;
          sums.predicted += found[d].predicted;
          sums.wanted += found[d].wanted;
        }
        if (!spans) {
          const double f1 = words.classes == 2 ? counts.f1(1) : counts.macro_f1();
          return {counts.accuracy(), f1, counts.matthews()};
        }
        return {ratio(2 * sums.right, sums.predicted + sums.wanted),
                ratio(sums.right, sums.predicted), ratio(sums.right, sums.wanted),
                counts.accuracy(), counts.matthews()};
      });
}

std::vector<Measured> regression_metrics(std::span<const double> predicted,
                                         std::span<const double> wanted,
                                         const Bootstrap& bootstrap) {
  std::vector<double> a, b;
  return with_intervals({"pearson", "spearman", "mean_squared_error"}, wanted.size(), bootstrap,
                        [&](const Indices& indices) -> std::vector<double> {
                          a.clear();
                          b.clear();
                          for (const std::size_t i : indices) {
                            a.push_back(predicted[i]);
                            b.push_back(wanted[i]);
                          }
                          return {pearson(a, b), spearman(a, b), mean_squared_error(a, b)};
                        });
}

std::string describe(const std::vector<Measured>& metrics) {
  std::string text;
  for (const Measured& each : metrics) {
    const bool share = each.name == "accuracy" || each.name == "f1" || each.name == "precision" ||
                       each.name == "recall";
    const auto shown = [&](double value) {
      return share ? fixed(100 * value, 2) : general(value, 4);
    };
    std::string name = each.name;
    std::ranges::replace(name, '_', ' ');
    text += (text.empty() ? "" : ", ") + name + " " + shown(each.value) + (share ? " %" : "");
    if (each.low < each.high) text += " [" + shown(each.low) + ", " + shown(each.high) + "]";
  }
  return text;
}

}  // namespace svtune
