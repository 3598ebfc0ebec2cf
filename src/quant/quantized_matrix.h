// A frozen matrix in 4 or 8 bits: its stored tensors (quant_storage.h) and the values they stand
// for.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "quant/quant_storage.h"

namespace svtune {

class QuantizedMatrix {
 public:
  // Throws ModelError when shapes, dtypes or the block size do not fit together, or a scale is
  // not finite.
  explicit QuantizedMatrix(QuantStorage storage);

  const QuantStorage& storage() const { return storage_; }
  std::int64_t out_features() const { return storage_.out_features; }
  std::int64_t in_features() const { return storage_.in_features; }
  std::int64_t nbytes() const;      // codes, scales and maps, as files hold them
  std::int64_t held_bytes() const;  // the same in memory, where nested scales are there twice
  double bits_per_weight() const;   // of those bytes

  // fp32 [blocks], [out] for int8; un-nested.
  const at::Tensor& block_scales() const { return block_scales_; }

  // [out, in] in fp32, bf16, fp16 or fp64; each value is the fp32 product, rounded once.
  at::Tensor dequantize(at::ScalarType dtype) const;
  // The same into `out` [out, in], contiguous. Uses all threads; the same bits for any number.
  void dequantize_into(const at::Tensor& out) const;

 private:
  QuantStorage storage_;
  at::Tensor block_scales_;  // fp32 [blocks], un-nested once
};

// `weight` is [out, in] in bf16, fp16, fp32 or fp64 on the CPU. With default scales the bytes
// equal those of bitsandbytes on the CPU. Of a meta tensor the result has shapes alone. Throws
// std::invalid_argument for an impossible configuration, ModelError when an entry is not finite.
QuantizedMatrix quantize(const at::Tensor& weight, const QuantConfig& config);

}  // namespace svtune
