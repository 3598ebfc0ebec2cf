// x Wᵀ of a few fp32 rows with a matrix in bf16: bound by reading the matrix, which is read once
// and widened in registers.
#pragma once

#include <cstdint>

#include "nn/kernels/simd.h"

namespace svtune::kernels {

struct FewRowsArgs {
  const float* x;      // [rows, in]
  const Bf16* weight;  // [out, in]
  float* y;            // [rows, out]
  std::int64_t rows, out, in;
};

// The outputs [begin, end) of every row. Each is one sum in an order of its own kind of processor,
// whatever the range.
void few_rows(const FewRowsArgs& args, std::int64_t begin, std::int64_t end);

}  // namespace svtune::kernels
