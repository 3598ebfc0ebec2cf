// What the two attentions written in plain operators share.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace svtune {

// Queries at a time: few enough that little is computed above the diagonal, enough for the
// products.
inline constexpr std::int64_t kQueryBlock = 128;

inline at::ScalarType arithmetic_type(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

// [T, H, D] -> [H, T, D] in the arithmetic type.
inline at::Tensor heads_first(const at::Tensor& x) {
  return x.to(arithmetic_type(x)).transpose(0, 1).contiguous();
}

}  // namespace svtune
