#include "eval/label_meter.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

std::vector<double> doubles(const at::Tensor& values) {
  const at::Tensor copy = values.to(at::kCPU, at::kDouble).contiguous();
  return {copy.const_data_ptr<double>(), copy.const_data_ptr<double>() + copy.numel()};
}

}  // namespace

void LabelMeter::add(Network& net, const Batch& batch) {
  const at::NoGradGuard no_grad;
  const at::Tensor logits = net.document_logits(batch);
  const std::int64_t columns = std::max<std::int64_t>(1, classes_);
  if (logits.size(1) != columns) {
    throw ModelError("the model's head gives " + std::to_string(logits.size(1)) +
                         " numbers for each text, but the task needs " + std::to_string(columns),
                     "Check --task and --labels: a head with one output learns numbers.");
  }
  const std::vector<double> targets = doubles(batch.document_targets);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    logits_.push_back(doubles(logits.select(0, static_cast<std::int64_t>(i))));
    if (classes_ == 0) {
      predicted_numbers_.push_back(logits_.back()[0]);
      wanted_numbers_.push_back(targets[i]);
    } else {
      const auto best = std::ranges::max_element(logits_.back());
      predicted_classes_.push_back(best - logits_.back().begin());
      wanted_classes_.push_back(static_cast<std::int64_t>(targets[i]));
    }
  }
  if (classes_ == 0) {
    const at::Tensor error = logits.squeeze(1).to(at::kDouble) - batch.document_targets;
    loss_sum_ += error.square().sum().item<double>();
  } else {
    const at::Tensor log_probs = logits.to(at::kDouble).log_softmax(1);
    loss_sum_ -= log_probs.gather(1, batch.document_targets.unsqueeze(1)).sum().item<double>();
  }
}

double LabelMeter::loss() const {
  if (documents() == 0) return std::numeric_limits<double>::quiet_NaN();
  return loss_sum_ / static_cast<double>(documents());
}

double LabelMeter::probability(std::int64_t document) const {
  const std::vector<double>& all = logits(document);
  const double best = *std::ranges::max_element(all);
  double sum = 0;
  for (const double logit : all) sum += std::exp(logit - best);
  return 1 / sum;
}

std::vector<Measured> LabelMeter::metrics(const Bootstrap& bootstrap) const {
  return classes_ == 0
             ? regression_metrics(predicted_numbers_, wanted_numbers_, bootstrap)
             : classification_metrics(predicted_classes_, wanted_classes_, classes_, bootstrap);
}

}  // namespace svtune
