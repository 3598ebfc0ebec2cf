// How long a run will take, measured on its first micro-batches instead of guessed.
#pragma once

#include <cstdint>

#include "nn/adapter_set.h"
#include "train/batch_source.h"
#include "train/train.h"

namespace svtune {

struct StepTime {
  double per_token = 0;            // seconds of forward and backward
  double per_update = 0;           // seconds of clipping, AdamW and refreshing the adapters
  std::int64_t micro_batches = 0;  // that were measured

  double of_step(double tokens) const { return per_token * tokens + per_update; }
};

// Runs a first micro-batch, which pays for what is made once, then measures at least one and for
// about a second. The trained values are set to zero first, so that adapters without any
// initialisation will do: products take the same time. Rewinds the source.
StepTime measure_steps(Network& net, AdapterSet& adapters, BatchSource& batches,
                       const TrainConfig& config);

}  // namespace svtune
