// Inverted dropout with a seed of its own for each layer and micro-batch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace svtune {

// 0 or 1 / (1 - probability), in the shape and dtype of x; the same for the same seed. Undefined
// when the probability is 0.
at::Tensor dropout_mask_for(const at::Tensor& x, double probability, std::uint64_t seed);

}  // namespace svtune
