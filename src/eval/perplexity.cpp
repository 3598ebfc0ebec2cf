#include "eval/perplexity.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/errors.h"
#include "base/number_text.h"
#include "libtorch/prelude.h"

namespace svtune {

void LossMeter::add(Network& net, const Batch& batch) {
  tokens_ += batch.num_tokens();
  supervised_ += batch.num_supervised();
  if (batch.num_supervised() > 0) sum_ -= net.log_probs(batch).sum(at::kDouble).item<double>();
}

MeanLoss LossMeter::mean() const {
  MeanLoss result{std::numeric_limits<double>::quiet_NaN(), 0, tokens_, supervised_};
  if (supervised_ > 0) result.loss = sum_ / static_cast<double>(supervised_);
  result.perplexity = std::exp(result.loss);
  return result;
}

EncodeOptions encoding_of(const Perplexity& task) { return {task.max_length}; }

Score run_task(const Perplexity&, const EvalInput& input) {
  LossMeter meter;
  for (std::int64_t i = 0; i < input.count;) {
    PackedBatch packed;
    std::vector<std::int32_t> adapters;
    const std::int64_t end = std::min(input.count, i + input.batch_size);
    for (; i < end; ++i) {
      const auto example = input.data.get(i);
      if (!example) continue;
      append_document(packed, *example);
      if (!input.adapters.empty()) {
        adapters.push_back(input.adapters[static_cast<std::size_t>(i)]);
      }
    }
    if (packed.supervised.empty()) continue;
    Batch batch = to_batch(packed);
    batch.adapters = std::move(adapters);
    meter.add(input.net, batch);
    input.observer.progress({i, input.count, "example", meter.mean().loss});
  }
  const MeanLoss mean = meter.mean();
  if (mean.supervised_tokens == 0) {
    throw FileError(input.data.records().name(), "no token to predict");
  }
  if (!std::isfinite(mean.loss)) {
    throw RunError(std::string("the loss is ") + (std::isnan(mean.loss) ? "NaN" : "infinite"),
                   "the weights hold NaN or infinity, or overflow in this dtype; try --dtype fp32");
  }
  const std::string text = "loss " + fixed(mean.loss, 6) + " nats per token, perplexity " +
                           fixed(mean.perplexity, 4) + ", " +
                           std::to_string(mean.supervised_tokens) + " tokens";
  return {{{"loss", mean.loss},
           {"perplexity", mean.perplexity},
           {"tokens", static_cast<double>(mean.supervised_tokens)}},
          text};
}

}  // namespace svtune
