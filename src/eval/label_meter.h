// Predictions of labels of documents or of their words, gathered batch by batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "eval/label_metrics.h"
#include "models/network.h"

namespace svtune {

// Of classes, or of one number a document. What has a label is an item: a document, or a word of
// it.
class LabelMeter {
 public:
  // `classes` 0: numbers. `spans`: of classes of words (span_tags()).
  explicit LabelMeter(std::int64_t classes, std::vector<SpanTag> spans = {})
      : classes_(classes), spans_(std::move(spans)) {}

  // Runs the batch without gradients. Dropout must be off (AdapterSet::begin_micro_batch). Throws
  // ModelError when the head does not give one logit for each class, or one number. Items are the
  // tokens that the batch supervises where its documents have no targets.
  void add(Network& net, const Batch& batch);

  std::int64_t items() const { return static_cast<std::int64_t>(logits_.size()); }
  std::int64_t documents() const { return static_cast<std::int64_t>(ends_.size()); }
  // Whether items are words.
  bool of_words() const { return of_words_; }
  // Mean of -log p(class), or of the squared errors, over items; NaN without any.
  double loss() const;
  std::vector<Measured> metrics(const Bootstrap& bootstrap) const;

  // By item, in the order in which they were added.
  const std::vector<std::int64_t>& predicted_classes() const { return predicted_classes_; }
  const std::vector<std::int64_t>& wanted_classes() const { return wanted_classes_; }
  const std::vector<double>& predicted_numbers() const { return predicted_numbers_; }
  const std::vector<double>& logits(std::int64_t item) const {
    return logits_.at(static_cast<std::size_t>(item));
  }
  // Of the class that was predicted.
  double probability(std::int64_t item) const;

 private:
  void end_documents(const Batch& batch);

  std::int64_t classes_;
  std::vector<SpanTag> spans_;
  bool of_words_ = false;
  std::vector<std::size_t> ends_;  // of each document, in the items
  double loss_sum_ = 0;
  std::vector<std::int64_t> predicted_classes_, wanted_classes_;
  std::vector<double> predicted_numbers_, wanted_numbers_;
  std::vector<std::vector<double>> logits_;
};

}  // namespace svtune
