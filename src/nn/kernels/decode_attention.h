// CPU kernel of attention for one new token per sequence against its stored keys and values.
#pragma once

#include <cstdint>

#include "nn/kernels/simd.h"

namespace svtune::kernels {

// One sequence and one key head: `heads` query rows of `head_dim` share the keys.
template <class T>
struct DecodeArgs {
  const T* query;   // [heads, head_dim]
  const T* keys;    // row j at keys + j * stride
  const T* values;  // the same layout
  T* out;           // [heads, head_dim]
  float* scores;    // scratch [length]
  std::int64_t heads, head_dim, stride;
  std::int64_t first, length;  // rows first .. length are visible
  float scale, softcap;
};
void decode_attention(const DecodeArgs<float>& args);
void decode_attention(const DecodeArgs<Bf16>& args);

}  // namespace svtune::kernels
