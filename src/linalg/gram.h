// Gram matrix of a weight over its short side, the start of every fast decomposition.
//
// Checkpoints are bf16, and products of bf16 numbers are exact in fp32, so the fast bf16
// units of the CPU lose nothing but the rounding of their fp32 sums; those are cut into
// short chunks that are added up in fp64. Only the lower half of the tiles is computed.
#pragma once

#include <ATen/core/Tensor.h>

#include "linalg/matrix_tiles.h"

namespace svtune::detail {

enum class GramPrecision {
  kFast,    // error about 1e-8 of ‖A‖²; the operands are exact
  kDouble,  // every product and sum in fp64
};

// AᵀA [short, short] in fp64, symmetric to the bit; the same bits for any number of threads.
at::Tensor gram_matrix(const MatrixTiles& matrix, GramPrecision precision);

bool cpu_multiplies_bf16();

// True when the CPU multiplies bf16 natively and the weight's values fit bf16 exactly.
bool uses_bf16_products(const at::Tensor& weight);

}  // namespace svtune::detail
