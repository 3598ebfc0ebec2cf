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

// Nats of each supervised token of `batches`, [n] fp64; no gradient, no dropout. Throws RunError
// when their mean is not finite: the weights or the data are broken. `adapters` may be null.
at::Tensor start_losses(Network& net, const AdapterSet* adapters, std::span<const Batch> batches);

// Their mean.
double start_loss(Network& net, const AdapterSet* adapters, std::span<const Batch> batches);

inline constexpr double kStartTolerance = 1e-3;  // relative

// Whether the mean of `adapted` is that of `base` but for the tolerance and, since products that
// round otherwise scatter the losses of tokens (by 4e-3 of the mean of 100 in bf16, as bf16 itself
// does beside fp32), two standard errors of their differences.
bool starts_near(const at::Tensor& base, const at::Tensor& adapted,
                 double tolerance = kStartTolerance);
// Throws RunError with both values and an explanation when they differ by more.
void check_start(double base_loss, double adapted_loss, const std::string& method,
                 double tolerance = kStartTolerance);

}  // namespace svtune
