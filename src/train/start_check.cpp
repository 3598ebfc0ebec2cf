#include "train/start_check.h"

#include <algorithm>
#include <cmath>

#include "base/errors.h"
#include "base/number_text.h"
#include "libtorch/prelude.h"
#include "train/stream_source.h"

namespace svtune {

std::vector<Batch> start_documents(BatchSource& source, std::int64_t tokens) {
  std::vector<Batch> documents;
  source.rewind();
  while (documents.empty()) {
    const std::optional<Batch> batch = source.next();
    if (!batch) break;
    documents = split_documents(*batch);
    std::erase_if(documents, [](const Batch& each) { return each.num_supervised() == 0; });
  }
  std::ranges::stable_sort(documents, {}, &Batch::num_tokens);
  std::int64_t held = 0;
  const auto enough = std::ranges::find_if(documents, [&](const Batch& each) {
    const bool reached = held >= tokens;
    held += each.num_tokens();
    return reached;
  });
  documents.erase(enough, documents.end());
  source.rewind();
  if (documents.empty()) {
    throw RunError("no token of the training data is supervised",
                   "check the columns and the template, or raise --max-length so that responses "
                   "are not cut away");
  }
  return documents;
}

double start_loss(Network& net, const AdapterSet* adapters, std::span<const Batch> batches) {
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
            " is " + fixed(loss, 6),
        "the weights hold NaN or infinity, or overflow in this dtype; try --dtype fp32");
  }
  return loss;
}

void check_start(double base_loss, double adapted_loss, const std::string& method,
                 double tolerance) {
  const double difference = std::abs(adapted_loss - base_loss);
  if (difference <= tolerance * std::abs(base_loss)) return;
  throw RunError(method + " must start where the base model stands, but the base model's loss is " +
                     fixed(base_loss, 6) + ", the loss before step 1 is " + fixed(adapted_loss, 6) +
                     " (difference " + scientific(difference, 2) + ", allowed " +
                     scientific(tolerance * std::abs(base_loss), 2) + ")",
                 "the decomposition or the stored factors are inaccurate: try --svd exact or "
                 "--product delta, where the method has them, or --dtype fp32");
}

}  // namespace svtune
