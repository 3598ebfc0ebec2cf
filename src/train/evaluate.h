// Mean negative log likelihood over held-out data.
#pragma once

#include <cstdint>

#include "models/transformer.h"
#include "nn/adapter_set.h"
#include "train/batch_source.h"

namespace svtune {

struct EvalResult {
  double loss = 0;        // nats per supervised token; NaN without any
  double perplexity = 0;  // exp(loss)
  std::int64_t tokens = 0;
  std::int64_t supervised_tokens = 0;
};

// Runs `batches` from its start to its end without dropout and gradients; `adapters` may be
// null for a bare model.
EvalResult evaluate(Transformer& net, const AdapterSet* adapters, BatchSource& batches);

}  // namespace svtune
