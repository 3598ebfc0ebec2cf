#include "train/start_check.h"

#include <cmath>
#include <cstdio>

#include "base/errors.h"
#include "linalg/torch_pch.h"

namespace svtune {

std::vector<Batch> first_batches(BatchSource& source, std::size_t count) {
  std::vector<Batch> batches;
  source.rewind();
  while (batches.size() < count) {
    std::optional<Batch> batch = source.next();
    if (!batch) break;
    if (batch->num_supervised() > 0) batches.push_back(std::move(*batch));
  }
  source.rewind();
  if (batches.empty()) {
    throw RunError("no token of the training data is supervised",
                   "check the columns and the template, or raise --max-length so that responses "
                   "are not cut away");
  }
  return batches;
}

double start_loss(Transformer& net, const AdapterSet* adapters, std::span<const Batch> batches) {
  if (adapters != nullptr) adapters->begin_micro_batch(false, 0);
  double sum = 0;
  std::int64_t count = 0;
  for (const Batch& batch : batches) {
    sum -= net.log_probs(batch).sum(at::kDouble).item<double>();
    count += batch.num_supervised();
  }
  const double loss = sum / static_cast<double>(count);
  if (!std::isfinite(loss)) {
    throw RunError(
        std::string(adapters == nullptr ? "the base model's loss" : "the loss before step 1") +
            " is " + std::to_string(loss),
        "the weights hold NaN or infinity, or overflow in this dtype; try --dtype fp32");
  }
  return loss;
}

void check_start(double base_loss, double adapted_loss, const std::string& method,
                 double tolerance) {
  const double difference = std::abs(adapted_loss - base_loss);
  if (difference <= tolerance * std::abs(base_loss)) return;
  char text[256];
  std::snprintf(text, sizeof text,
                "the base model's loss is %.6f, the loss before step 1 is %.6f (difference %.2e, "
                "allowed %.2e)",
                base_loss, adapted_loss, difference, tolerance * std::abs(base_loss));
  throw RunError(method + " must start where the base model stands, but " + text,
                 "the decomposition or the stored factors are inaccurate: try --svd exact, or "
                 "--dtype fp32");
}

}  // namespace svtune
