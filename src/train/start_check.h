// A method that promises to start where the base model stands is held to it: the loss of the
// base and the loss before step 1 on the same batches.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "models/network.h"
#include "nn/adapter_set.h"
#include "train/batch_source.h"

namespace svtune {

// The shortest documents of the first micro-batch with something supervised, each a batch of its
// own: as few as hold `tokens` tokens. Enough to see a start that went wrong, and cheap beside a
// step. The source is rewound before and after. Throws RunError when no token is supervised.
std::vector<Batch> start_documents(BatchSource& source, std::int64_t tokens = 96);

// Nats per supervised token over `batches`, no gradient, no dropout. Throws RunError when it
// is not finite: the weights or the data are broken. `adapters` may be null.
double start_loss(Network& net, const AdapterSet* adapters, std::span<const Batch> batches);

inline constexpr double kStartTolerance = 1e-3;  // relative

// Throws RunError with both values and an explanation when they differ by more.
void check_start(double base_loss, double adapted_loss, const std::string& method,
                 double tolerance = kStartTolerance);

}  // namespace svtune
