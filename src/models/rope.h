// Rotation angles of the rotary embedding for the positions of a batch.
#pragma once

#include <ATen/core/Tensor.h>

#include "models/arch_spec.h"

namespace svtune {

struct RopeTables {
  at::Tensor cos, sin;  // [N, head_dim / 2] fp32
};

// Inverse frequencies [head_dim / 2] fp32 after the family's scaling.
at::Tensor rope_frequencies(const RopeSpec& spec, std::int64_t head_dim);

// positions [N] int64.
RopeTables rope_tables(const RopeSpec& spec, std::int64_t head_dim, const at::Tensor& positions);

}  // namespace svtune
