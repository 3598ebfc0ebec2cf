// Row-wise 8-bit quantisation of raw rows (LLM.int8()).
#pragma once

#include <cstdint>

namespace svtune::kernels {

// codes[i] = values[i] · (1 / absmax · 127) to the nearest, ties to even; returns absmax, the
// largest magnitude, which is inf or NaN when a value is. A row of zeros gives zeros.
float quantize_int8_row(const float* values, std::int64_t size, std::int8_t* codes);

// values[i] = code · absmax / 127, with the two roundings of bitsandbytes.
void dequantize_int8_row(const std::int8_t* codes, float absmax, std::int64_t size, float* values);

}  // namespace svtune::kernels
