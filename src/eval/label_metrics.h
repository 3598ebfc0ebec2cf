// How well classes or numbers are predicted, with bootstrap intervals.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace svtune {

// Predictions of documents whose true class is known; all ids are in [0, classes). Of each class
// counts alone, since all measures are of those: resampling thousands of classes takes no square.
class ConfusionCounts {
 public:
  explicit ConfusionCounts(std::int64_t classes);
  void add(std::int64_t predicted, std::int64_t wanted);

  // Share of right predictions.
  double accuracy() const;
  // 2 TP / (2 TP + FP + FN); 0 when the class neither occurs nor is predicted.
  double f1(std::int64_t of_class) const;
  // Mean over the classes that occur or are predicted.
  double macro_f1() const;
  // Matthews's correlation, for more than two classes the R_K of Gorodkin ("Comparing two
  // K-category assignments by a K-category correlation coefficient", 2004); 0 when either side has
  // one class only.
  double matthews() const;

 private:
  // Of each class: what is both, what is predicted, what is true.
  std::vector<std::int64_t> right_, predicted_, wanted_;
};

// Pearson's correlation; NaN when either side does not vary. Requires: equal sizes.
double pearson(std::span<const double> a, std::span<const double> b);
// Pearson's correlation of the ranks; equal values share the mean of theirs.
double spearman(std::span<const double> a, std::span<const double> b);
double mean_squared_error(std::span<const double> a, std::span<const double> b);

struct Measured {
  std::string name;  // snake_case
  double value = 0;
  double low = 0, high = 0;  // 95 % interval; both the value without resamples
};

struct Bootstrap {
  std::int64_t resamples = 1000;
  std::uint64_t seed = 0;
};

// accuracy, f1 (of class 1 where there are two, else macro), matthews. The intervals are the
// percentiles of resamples of the documents with replacement (Efron 1979).
std::vector<Measured> classification_metrics(std::span<const std::int64_t> predicted,
                                             std::span<const std::int64_t> wanted,
                                             std::int64_t classes, const Bootstrap& bootstrap);
// What the names of classes of words say of spans: B-X begins one of the kind X, I-X goes on, E-X
// or L-X ends it, S-X or U-X is a whole one, O lies in none.
struct SpanTag {
  char part = 'O';  // or B, I, E, S
  std::int64_t kind = -1;
};
// Of each class; empty where not all names are such tags, or none but O is.
std::vector<SpanTag> span_tags(const std::vector<std::string>& names);

// Classes of the words of documents, these one after another.
struct TaggedWords {
  std::span<const std::int64_t> predicted, wanted;  // of each word
  std::span<const std::size_t> ends;                // of each document, in the words
  std::int64_t classes = 0;
  std::span<const SpanTag> spans = {};  // of each class; empty: no spans
};
// As classification_metrics(), resampling whole documents, since words of one are not independent.
// With spans f1 is that of whole spans with their kinds, and precision and recall are theirs too:
// f1, precision, recall, accuracy, matthews. A span is what conlleval and seqeval take for one: it
// may begin with I-X.
std::vector<Measured> tagging_metrics(const TaggedWords& words, const Bootstrap& bootstrap);
// pearson, spearman, mean_squared_error.
std::vector<Measured> regression_metrics(std::span<const double> predicted,
                                         std::span<const double> wanted,
                                         const Bootstrap& bootstrap);

// "accuracy 85.3 % [82.1, 88.0], ..." for people; correlations as numbers.
std::string describe(const std::vector<Measured>& metrics);

}  // namespace svtune
