// Double quantisation: the scales of blocks, themselves in 8 bits (QLoRA 2305.14314, section 3).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "quant/quant_storage.h"

namespace svtune::detail {

inline constexpr std::int64_t kNestedBlock = 256;  // scales per nested block

// The signed dynamic map: 256 values, fp32, ascending.
at::Tensor dynamic_map();

// Fills the nested fields of `storage` from the scales fp32 [blocks]; clears `absmax`. The
// offset is the mean as LibTorch adds it up on one thread.
void nest_scales(const at::Tensor& scales, QuantStorage& storage);

// fp32 [blocks], whether nested or not.
at::Tensor unnested_scales(const QuantStorage& storage);

}  // namespace svtune::detail
