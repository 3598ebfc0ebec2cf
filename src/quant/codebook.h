// The sixteen values of a 4-bit type and the decision boundaries between them.
#pragma once

#include <array>
#include <cstdint>

#include "quant/kernels/block_kernels.h"
#include "quant/quant_storage.h"

namespace svtune::detail {

// Of kNf4 or kFp4.
const kernels::Codebook& codebook_of(QuantType type);

// A codebook for the map of a file, value of each stored code; only its `map` is filled.
kernels::Codebook codebook_of_map(const float* map);

}  // namespace svtune::detail
