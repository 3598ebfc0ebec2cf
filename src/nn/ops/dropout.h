// Inverted dropout whose mask follows from a seed alone: what backward runs again draws the same.
// Source: Srivastava et al., JMLR 15 (2014), with the scaling done in training.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

namespace svtune {

struct Dropout {
  double probability = 0;  // in [0, 1); 0: nothing is dropped, at no cost
  std::uint64_t seed = 0;

  bool active() const { return probability > 0; }
  // The same with a seed of its own for one part of what is dropped.
  Dropout at(std::int64_t part) const;
};

// 0 or 1 / (1 - probability) in the shape and dtype of x; needs an active dropout.
at::Tensor dropout_mask(const at::Tensor& x, const Dropout& dropout);

// x times its mask; x itself where dropout is not active. Saves one byte for each element.
at::Tensor dropped(const at::Tensor& x, const Dropout& dropout);

// x [N, C] where the rows offsets[s] .. offsets[s+1] of each document s are all 0, or all of them x
// / (1 - probability); each document has a draw of its own. x itself where dropout is not active.
// Saves one byte for each row. Source: Huang et al., arXiv 1603.09382, section 3.
at::Tensor documents_dropped(const at::Tensor& x, std::span<const std::int32_t> offsets,
                             const Dropout& dropout);

}  // namespace svtune
