// Which tensors the row-wise CPU kernels take, and in what pieces.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>

namespace svtune {

inline bool has_row_kernel(const at::Tensor& x) {
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

// Rows of `width` elements that make a task worth a thread.
inline std::int64_t rows_a_task(std::int64_t width) {
  constexpr std::int64_t kElementsPerTask = 1 << 15;
  return std::max<std::int64_t>(1, kElementsPerTask / std::max<std::int64_t>(1, width));
}

}  // namespace svtune
