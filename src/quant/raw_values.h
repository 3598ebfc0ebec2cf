// Tensors as the torch-free kernels see them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "quant/kernels/block_kernels.h"

namespace svtune::detail {

inline kernels::FloatKind float_kind(at::ScalarType dtype) {
  switch (dtype) {
    case at::kBFloat16:
      return kernels::FloatKind::kBf16;
    case at::kHalf:
      return kernels::FloatKind::kHalf;
    default:
      TORCH_INTERNAL_ASSERT(dtype == at::kFloat);
      return kernels::FloatKind::kFloat;
  }
}

// The values of a contiguous bf16, fp16 or fp32 tensor from flat position `first`.
inline kernels::ConstValues raw_values(const at::Tensor& tensor, std::int64_t first) {
  const auto* data = static_cast<const std::uint8_t*>(tensor.const_data_ptr());
  return {data + first * static_cast<std::int64_t>(tensor.element_size()),
          float_kind(tensor.scalar_type())};
}

inline kernels::Values mutable_raw_values(const at::Tensor& tensor, std::int64_t first) {
  auto* data = static_cast<std::uint8_t*>(tensor.mutable_data_ptr());
  return {data + first * static_cast<std::int64_t>(tensor.element_size()),
          float_kind(tensor.scalar_type())};
}

}  // namespace svtune::detail
