#include "train/start_check.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/errors.h"
#include "base/number_text.h"
#include "libtorch/prelude.h"
#include "train/stream_source.h"

namespace svtune {

std::vector<Batch> start_documents(BatchSource& source, std::int64_t tokens) {
  std::vector<Batch> documents;
  std::int64_t seen = 0, held = 0;
  source.rewind();
  while (documents.empty() || (seen < tokens && source.epoch() < 1)) {
    const std::optional<Batch> batch = source.next();
    if (!batch) break;
    for (Batch& each : split_documents(*batch)) {
      if (each.num_supervised() == 0) continue;
      seen += each.num_tokens();
      documents.push_back(std::move(each));
    }
  }
  std::ranges::stable_sort(documents, {}, &Batch::num_tokens);
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

namespace {

// [M] fp64 of what the batch supervises; labels give their document's mean, once for each.
at::Tensor losses_of(Network& net, const Batch& batch) {
  // Words have too many logits to make their gradients as well.
  const at::NoGradGuard no_grad;
  if (net.predicts_words()) return net.log_probs(batch).to(at::kDouble).neg();
  const std::int64_t count = batch.num_supervised();
  return net.loss(batch).to(at::kDouble).div(count).expand({count});
}

}  // namespace

double start_loss(Network& net, const AdapterSet* adapters, std::span<const Batch> batches) {
  if (adapters != nullptr) adapters->begin_micro_batch(false, 0);
  std::vector<at::Tensor> parts;
  for (const Batch& batch : batches) parts.push_back(losses_of(net, batch));
  const double loss = at::cat(parts).mean().item<double>();
  if (!std::isfinite(loss)) {
    throw RunError(
        std::string(adapters == nullptr ? "the base model's loss" : "the loss before step 1") +
            " is " + fixed(loss, 6),
        "the weights hold NaN or infinity, or overflow in this dtype; try --dtype fp32");
  }
  return loss;
}

bool starts_near(double base_loss, double adapted_loss, double tolerance) {
  return std::abs(adapted_loss - base_loss) <= tolerance * std::abs(base_loss);
}

void check_start(double base_loss, double adapted_loss, const std::string& method,
                 double tolerance) {
  if (starts_near(base_loss, adapted_loss, tolerance)) return;
  const double difference = std::abs(adapted_loss - base_loss);
  throw RunError(method + " must start where the base model stands, but the base model's loss is " +
                     fixed(base_loss, 6) + ", the loss before step 1 is " + fixed(adapted_loss, 6) +
                     " (difference " + scientific(difference, 2) + ", allowed " +
                     scientific(tolerance * std::abs(base_loss), 2) + ")",
                 "the decomposition or the stored factors are inaccurate: try --svd exact, "
                 "where the method has it, or --dtype fp32");
}

}  // namespace svtune
