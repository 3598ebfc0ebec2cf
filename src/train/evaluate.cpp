#include "train/evaluate.h"

#include <cmath>
#include <limits>

#include "libtorch/prelude.h"

namespace svtune {

EvalResult evaluate(Transformer& net, const AdapterSet* adapters, BatchSource& batches) {
  if (adapters != nullptr) adapters->begin_micro_batch(false, 0);
  EvalResult result;
  double sum = 0;
  batches.rewind();
  while (const std::optional<Batch> batch = batches.next()) {
    result.tokens += batch->num_tokens();
    result.supervised_tokens += batch->num_supervised();
    if (batch->num_supervised() > 0) sum -= net.log_probs(*batch).sum(at::kDouble).item<double>();
  }
  batches.rewind();
  result.loss = result.supervised_tokens > 0 ? sum / static_cast<double>(result.supervised_tokens)
                                             : std::numeric_limits<double>::quiet_NaN();
  result.perplexity = std::exp(result.loss);
  return result;
}

}  // namespace svtune
