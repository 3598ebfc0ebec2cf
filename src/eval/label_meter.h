// Predictions of documents' labels, gathered batch by batch.
#pragma once

#include <cstdint>
#include <vector>

#include "eval/label_metrics.h"
#include "models/network.h"

namespace svtune {

// Of classes, or of one number a document.
class LabelMeter {
 public:
  // `classes` 0: numbers.
  explicit LabelMeter(std::int64_t classes) : classes_(classes) {}

  // Runs the batch without gradients. Dropout must be off (AdapterSet::begin_micro_batch). Throws
  // ModelError when the head does not give one logit for each class, or one number.
  void add(Network& net, const Batch& batch);

  std::int64_t documents() const { return static_cast<std::int64_t>(logits_.size()); }
  // Mean of -log p(class), or of the squared errors; NaN without documents.
  double loss() const;
  std::vector<Measured> metrics(const Bootstrap& bootstrap) const;

  // By document, in the order in which they were added.
  const std::vector<std::int64_t>& predicted_classes() const { return predicted_classes_; }
  const std::vector<std::int64_t>& wanted_classes() const { return wanted_classes_; }
  const std::vector<double>& predicted_numbers() const { return predicted_numbers_; }
  const std::vector<double>& logits(std::int64_t document) const {
    return logits_.at(static_cast<std::size_t>(document));
  }
  // Of the class that was predicted.
  double probability(std::int64_t document) const;

 private:
  std::int64_t classes_;
  double loss_sum_ = 0;
  std::vector<std::int64_t> predicted_classes_, wanted_classes_;
  std::vector<double> predicted_numbers_, wanted_numbers_;
  std::vector<std::vector<double>> logits_;
};

}  // namespace svtune
