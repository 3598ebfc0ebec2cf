// What every decomposition does to its input and its result: checks, a power-of-two scale
// that keeps squares within range, and the sign rule.
#pragma once

#include <ATen/core/Tensor.h>

namespace svtune::detail {

struct PreparedWeight {
  at::Tensor weight;  // on the CPU, contiguous, values in a range whose squares fit fp32
  double scale = 1;   // original = weight * scale, a power of two
  bool zero = false;  // all entries are zero
};

// Throws std::invalid_argument for a tensor that is not a non-empty matrix of floats and
// ModelError, naming the place, for an entry that is not finite.
PreparedWeight prepare_weight(const at::Tensor& weight);

// Σ w² in fp64.
double sum_of_squares(const at::Tensor& weight);

// Flips columns of U [out, r] and V [in, r] together, in place, so that the entry of largest
// size in each column of U is positive.
void apply_sign_rule(at::Tensor& U, at::Tensor& V);

}  // namespace svtune::detail
