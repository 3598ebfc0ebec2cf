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

// Enough to see a start that went wrong, and cheap beside a step.
inline constexpr std::int64_t kStartTokens = 96;
// Products that round otherwise scatter the losses of tokens, in bf16 by a twentieth (as bf16
// itself does beside fp32): the mean of so many is known to kStartTolerance.
inline constexpr std::int64_t kScatteredStartTokens = 4096;
inline constexpr std::int64_t kLeastScatteredTokens = 512;

// The shortest supervised documents, each a batch of its own, of as many micro-batches as are
// needed to hold `tokens` tokens, or of one pass over the data where that is shorter; as few
// documents as hold them. The source is rewound before and after. Throws RunError when no token is
// supervised.
std::vector<Batch> start_documents(BatchSource& source, std::int64_t tokens = kStartTokens);

// Nats of the supervised tokens of `batches`, on average; no gradient, no dropout. Throws RunError
// when that is not finite: the weights or the data are broken. `adapters` may be null.
double start_loss(Network& net, const AdapterSet* adapters, std::span<const Batch> batches);

inline constexpr double kStartTolerance = 1e-3;  // relative

bool starts_near(double base_loss, double adapted_loss, double tolerance = kStartTolerance);
// Throws RunError with both values and an explanation when they differ by more.
void check_start(double base_loss, double adapted_loss, const std::string& method,
                 double tolerance = kStartTolerance);

}  // namespace svtune
