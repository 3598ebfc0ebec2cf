// The loops of block_kernels.h over an instruction set `Isa`, which gives
//   Vec         16 floats: load, store, set, sum (lane i with i + 8, then i + 4, ...), *, +
//   Magnitudes  the largest of absolute values
//   Ranker      positions of 16 values in the sorted codebook, their codebook values and codes
//   Lookup<T>   the values of packed codes
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

constexpr std::int64_t kLongestBlock = 4096;
constexpr float kAround[] = {1.0f, 0.96f, 1.04f};
constexpr int kRefinements = 3;  // the gain of a fourth is below 0.01 % of the error

// How well a block y is met by the codebook values c nearest to y · inverse: the error of the best
// scale for them, product / square, is ‖y‖² - gain.
struct Fit {
  float inverse = 1;
  float product = 0;  // Σ y c
  float square = 1;   // Σ c²
  float gain() const { return product * product / square; }
};

template <class Isa>
Fit fit_block(const typename Isa::Ranker& ranker, const float* block, std::int64_t size,
              float inverse) {
  const auto factor = Isa::Vec::set(inverse);
  auto product = Isa::Vec::set(0), square = Isa::Vec::set(0);
  for (std::int64_t i = 0; i < size; i += kLanes) {
    const auto y = Isa::Vec::load(block + i);
    const auto c = ranker.value(ranker.rank(y * factor));
    product = product + y * c;
    square = square + c * c;
  }
  return {inverse, product.sum(), square.sum()};
}

template <class Isa>
Fit best_fit(const typename Isa::Ranker& ranker, const ScaleSearch& how, const float* block,
             std::int64_t size, float start) {
  Fit best;
  const auto consider = [&](float inverse) {
    const Fit fit = fit_block<Isa>(ranker, block, size, inverse);
    const bool better = fit.square > 0 && fit.gain() > best.gain();
    if (better) best = fit;
    return better;
  };
  if (start != 0) {
    for (const float factor : kAround) consider(start * factor);
  }
  for (std::int64_t k = 0; k < how.count; ++k) consider(how.inverses[k]);
  for (int k = 0; k < kRefinements; ++k) {
    if (best.product == 0 || !consider(best.square / best.product)) break;
  }
  return best;
}

template <class Isa>
void search_blocks(const Codebook& book, const ScaleSearch& how, const float* values,
                   std::int64_t block_size, std::int64_t blocks, std::uint8_t* codes,
                   float* scales) {
  const typename Isa::Ranker ranker(book);
  alignas(64) float scaled[kLongestBlock];
  for (std::int64_t b = 0; b < blocks; ++b) {
    const float* block = values + b * block_size;
    const float largest = block_absmax<Isa>(block, block_size);
    const float divisor = largest < kSmallestAbsmax ? kSmallestAbsmax : largest;
    const auto inverse = Isa::Vec::set(1.0f / divisor);
    for (std::int64_t i = 0; i < block_size; i += kLanes) {
      (Isa::Vec::load(block + i) * inverse).store(scaled + i);
    }
    const float start = how.from_scales && scales[b] != 0 ? divisor / scales[b] : 0.0f;
    const Fit best = best_fit<Isa>(ranker, how, scaled, block_size, start);
    scales[b] = best.product == 0 ? largest : divisor * (best.product / best.square);
    const auto factor = Isa::Vec::set(best.inverse);
    for (std::int64_t i = 0; i < block_size; i += kLanes) {
      ranker.pack(ranker.rank(Isa::Vec::load(scaled + i) * factor),
                  codes + (b * block_size + i) / 2);
    }
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
SquareSums subtract_blocks(const Codebook& book, const std::uint8_t* codes, const float* scales,
                           std::int64_t block_size, std::int64_t blocks,
                           const Difference& difference) {
  using Vec = typename Isa::Vec;
  const Vec map = Vec::load(book.map), minus = Vec::set(-1);
  alignas(64) float values[kLongestBlock];
  SquareSums total;
  for (std::int64_t b = 0; b < blocks; ++b) {
    const typename Isa::template Lookup<float> lookup(map * Vec::set(scales[b]));
    const std::int64_t first = b * block_size;
    lookup.expand(codes + first / 2, block_size, values);
    Vec errors = Vec::set(0), rests = Vec::set(0);
    for (std::int64_t i = 0; i < block_size; i += kLanes) {
      const Vec negative = Vec::load(values + i) * minus;
      const Vec rest = Vec::load(difference.weight + first + i) + negative;
      rest.store(difference.rest + first + i);
      rests = rests + rest * rest;
      const Vec error = Vec::load(difference.target + first + i) + negative;
      errors = errors + error * error;
    }
    total.error += static_cast<double>(errors.sum());
    total.rest += static_cast<double>(rests.sum());
  }
  return total;
}

template <class Isa>
BlockKernels make_block_kernels() {
  return {Isa::kName, quantize_blocks<Isa>, search_blocks<Isa>, dequantize_blocks<Isa>,
          subtract_blocks<Isa>};
}

}  // namespace
}  // namespace svtune::kernels
