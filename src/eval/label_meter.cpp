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
  of_words_ = !batch.document_targets.defined();
  const at::Tensor logits = of_words_
                                ? net.logits(net.forward(batch).index_select(0, batch.supervised))
                                : net.document_logits(batch);
  const at::Tensor labels = of_words_ ? batch.targets : batch.document_targets;
  const std::int64_t columns = std::max<std::int64_t>(1, classes_);
  if (logits.size(1) != columns) {
    throw ModelError("the model's head gives " + std::to_string(logits.size(1)) +
                         " numbers for each " + (of_words_ ? "word" : "text") +
                         ", but the task needs " + std::to_string(columns),
                     "Check --task and --labels: a head with one output learns numbers.");
  }
  const std::vector<double> targets = doubles(labels), values = doubles(logits);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const auto row = values.begin() + static_cast<std::ptrdiff_t>(i) * columns;
    logits_.emplace_back(row, row + columns);
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
    const at::Tensor error = logits.squeeze(1).to(at::kDouble) - labels;
    loss_sum_ += error.square().sum().item<double>();
  } else {
    const at::Tensor log_probs = logits.to(at::kDouble).log_softmax(1);
    loss_sum_ -= log_probs.gather(1, labels.unsqueeze(1)).sum().item<double>();
  }
  end_documents(batch);
}

void LabelMeter::end_documents(const Batch& batch) {
  std::size_t end = ends_.empty() ? 0 : ends_.back();
  if (!of_words_) {
    for (std::int64_t s = 0; s < batch.num_documents(); ++s) ends_.push_back(++end);
    return;
  }
  const std::vector<double> places = doubles(batch.supervised);  // ascending
  std::size_t next = 0;
  for (std::size_t s = 1; s < batch.offsets.size(); ++s) {
    const std::size_t first = next;
    while (next < places.size() && places[next] < batch.offsets[s]) ++next;
    ends_.push_back(end += next - first);
  }
}

double LabelMeter::loss() const {
  if (items() == 0) return std::numeric_limits<double>::quiet_NaN();
  return loss_sum_ / static_cast<double>(items());
}

double LabelMeter::probability(std::int64_t item) const {
  const std::vector<double>& all = logits(item);
  const double best = *std::ranges::max_element(all);
  double sum = 0;
  for (const double logit : all) sum += std::exp(logit - best);
  return 1 / sum;
}

std::vector<Measured> LabelMeter::metrics(const Bootstrap& bootstrap) const {
  if (of_words_) {
    return tagging_metrics({predicted_classes_, wanted_classes_, ends_, classes_, spans_},
                           bootstrap);
  }
  return classes_ == 0
             ? regression_metrics(predicted_numbers_, wanted_numbers_, bootstrap)
             : classification_metrics(predicted_classes_, wanted_classes_, classes_, bootstrap);
}

}  // namespace svtune
