// A frozen matrix in 4 or 8 bits, in the layout of bitsandbytes, so that files can be exchanged
// without rounding again.
//
//   NF4, FP4  blocks run over the flattened row-major matrix and may cross rows; the last may be
//             partial. Two codes lie in a byte, the first in the high nibble.
//             value = map[code] · absmax[block]; a negative absmax is legal.
//   INT8      one scale per row: value = code · absmax[row] / 127.
//
// Double quantisation stores the absmax themselves in 8 bits (NF4 and FP4):
//   absmax[b] = nested_map[absmax_codes[b]] · nested_absmax[b / 256] + offset
// Source: QLoRA 2305.14314 section 3; LLM.int8() 2208.07339 section 3.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "base/fields.h"

namespace svtune {

enum class QuantType { kNf4, kFp4, kInt8 };
inline constexpr EnumName<QuantType> kQuantTypeNames[] = {
    {QuantType::kNf4, "nf4", "4 bits, codes at quantiles of a normal distribution"},
    {QuantType::kFp4, "fp4", "4-bit floating point"},
    {QuantType::kInt8, "int8", "8 bits, one scale per row"},
};
constexpr std::span<const EnumName<QuantType>> enum_names(QuantType) { return kQuantTypeNames; }

// How the scale of a 4-bit block is chosen.
enum class ScaleChoice { kAbsmax, kSearch, kSigned };
inline constexpr EnumName<ScaleChoice> kScaleChoiceNames[] = {
    {ScaleChoice::kAbsmax, "absmax", "the largest magnitude, byte-identical to bitsandbytes"},
    {ScaleChoice::kSearch, "search", "the positive scale of smallest squared error"},
    {ScaleChoice::kSigned, "signed", "the same over both signs (the codes are not symmetric)"},
};
constexpr std::span<const EnumName<ScaleChoice>> enum_names(ScaleChoice) {
  return kScaleChoiceNames;
}

struct QuantConfig {
  QuantType type = QuantType::kNf4;
  std::int64_t block_size = 64;  // values per scale: a power of two, 32 .. 4096; not for int8
  ScaleChoice scales = ScaleChoice::kAbsmax;  // 4-bit types only
  bool double_quant = false;                  // 4-bit types only
};

// The tensors of a quantised matrix as files hold them.
struct QuantStorage {
  QuantType type = QuantType::kNf4;
  std::int64_t out_features = 0, in_features = 0;
  std::int64_t block_size = 64;
  at::ScalarType original_dtype = at::kBFloat16;  // of the matrix before, as files record it
  at::Tensor codes;          // 4 bits: uint8 [(out·in + 1) / 2]; int8: int8 [out, in]
  at::Tensor map;            // fp32 [16]; undefined for int8
  at::Tensor absmax;         // fp32 [blocks], [out] for int8; undefined when nested
  at::Tensor absmax_codes;   // uint8 [blocks] when nested, else undefined; so the next three
  at::Tensor nested_absmax;  // fp32 [(blocks + 255) / 256]
  at::Tensor nested_map;     // fp32 [256]
  double nested_offset = 0;

  bool nested() const { return absmax_codes.defined(); }
};

}  // namespace svtune
