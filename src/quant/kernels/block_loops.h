// The loops of block_kernels.h over an instruction set `Isa`, which gives
//   Vec    16 floats: load, store, set, abs_bits_max, *, +
//   Ranks  16 positions in the sorted codebook
// Included once by each file of an instruction set. Everything has internal linkage, so that no
// function compiled for one set can be linked into another.
#pragma once

#include <bit>
#include <cstdint>

#include "quant/kernels/block_kernels.h"

namespace svtune::kernels {
namespace {

struct Bf16 {
  std::uint16_t bits;
};
struct Half {
  std::uint16_t bits;
};

constexpr std::int64_t kLanes = 16;
constexpr float kSmallestAbsmax = 1e-38f;

// Largest magnitude as bits: integers order non-negative floats, with inf and NaN on top.
template <class Isa, class T>
float block_absmax(const T* values, std::int64_t size) {
  typename Isa::Magnitudes largest{};
  for (std::int64_t i = 0; i < size; i += kLanes) largest.include(Isa::Vec::load(values + i));
  return largest.value();
}

template <class Isa, class T>
void quantize_typed(const Codebook& book, const T* values, std::int64_t block_size,
                    std::int64_t blocks, std::uint8_t* codes, float* absmax) {
  const typename Isa::Ranker ranker(book);
  for (std::int64_t b = 0; b < blocks; ++b) {
    const T* block = values + b * block_size;
    std::uint8_t* packed = codes + b * (block_size / 2);
    const float largest = block_absmax<Isa>(block, block_size);
    absmax[b] = largest;
    const auto inverse =
        Isa::Vec::set(1.0f / (largest < kSmallestAbsmax ? kSmallestAbsmax : largest));
    for (std::int64_t i = 0; i < block_size; i += kLanes) {
      ranker.pack(ranker.rank(Isa::Vec::load(block + i) * inverse), packed + i / 2);
    }
  }
}

template <class Isa>
void quantize_blocks(const Codebook& book, ConstValues values, std::int64_t block_size,
                     std::int64_t blocks, std::uint8_t* codes, float* absmax) {
  switch (values.kind) {
    case FloatKind::kFloat:
      return quantize_typed<Isa>(book, static_cast<const float*>(values.data), block_size, blocks,
                                 codes, absmax);
    case FloatKind::kBf16:
      return quantize_typed<Isa>(book, static_cast<const Bf16*>(values.data), block_size, blocks,
                                 codes, absmax);
    case FloatKind::kHalf:
      return quantize_typed<Isa>(book, static_cast<const Half*>(values.data), block_size, blocks,
                                 codes, absmax);
  }
}

// A block has only sixteen different values: they are rounded once, then looked up.
template <class Isa, class T>
void dequantize_typed(const Codebook& book, const std::uint8_t* codes, const float* scales,
                      std::int64_t block_size, std::int64_t blocks, T* values) {
  const auto map = Isa::Vec::load(book.map);
  for (std::int64_t b = 0; b < blocks; ++b) {
    const typename Isa::template Lookup<T> lookup(map * Isa::Vec::set(scales[b]));
    lookup.expand(codes + b * (block_size / 2), block_size, values + b * block_size);
  }
}

template <class Isa>
void dequantize_blocks(const Codebook& book, const std::uint8_t* codes, const float* scales,
                       std::int64_t block_size, std::int64_t blocks, Values values) {
  switch (values.kind) {
    case FloatKind::kFloat:
      return dequantize_typed<Isa>(book, codes, scales, block_size, blocks,
                                   static_cast<float*>(values.data));
    case FloatKind::kBf16:
      return dequantize_typed<Isa>(book, codes, scales, block_size, blocks,
                                   static_cast<Bf16*>(values.data));
    case FloatKind::kHalf:
      return dequantize_typed<Isa>(book, codes, scales, block_size, blocks,
                                   static_cast<Half*>(values.data));
  }
}

template <class Isa>
BlockKernels make_block_kernels() {
  return {Isa::kName, quantize_blocks<Isa>, dequantize_blocks<Isa>};
}

}  // namespace
}  // namespace svtune::kernels
