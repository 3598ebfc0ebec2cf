// Where a change of a weight lies among the weight's singular directions.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "linalg/svd.h"
#include "report/spectrum_layer.h"

namespace svtune {

// ‖ΔW‖² by direction: row i of UᵀΔW and column i of ΔWV, averaged, as parts of the whole. `change`
// is [out, in] in fp32, `svd` that of the weight; the leading part has `rank` directions.
// relative_norm is left at zero.
UpdateShares update_shares(const at::Tensor& change, const ThinSvd& svd, std::int64_t rank);

// Frobenius, summed in fp64.
double norm_of(const at::Tensor& matrix);

}  // namespace svtune
