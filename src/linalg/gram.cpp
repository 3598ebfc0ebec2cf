#include "linalg/gram.h"

#include <ATen/Dispatch.h>
#include <ATen/native/CPUBlas.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>
#include <vector>

#include "linalg/packed_loops.h"
#include "linalg/parallel.h"

namespace svtune::detail {
namespace {

constexpr std::int64_t kTile = 128;      // side of one output tile of the bf16 kernel
constexpr std::int64_t kBlasTile = 256;  // BLAS needs larger ones to run at full speed
constexpr std::int64_t kChunk = 128;     // products summed in fp32 before going to fp64

struct TilePair {
  std::int64_t row, column;  // first row and column of an output tile, row >= column
};

std::vector<TilePair> lower_tiles(std::int64_t size, std::int64_t tile) {
  std::vector<TilePair> pairs;
  for (std::int64_t row = 0; row < size; row += tile) {
    for (std::int64_t column = 0; column <= row; column += tile) pairs.push_back({row, column});
  }
  return pairs;
}

void store_symmetric(at::Tensor& gram, const TilePair& at, const at::Tensor& tile) {
  gram.narrow(0, at.row, tile.size(0)).narrow(1, at.column, tile.size(1)).copy_(tile);
  if (at.row != at.column) {
    gram.narrow(0, at.column, tile.size(1)).narrow(1, at.row, tile.size(0)).copy_(tile.t());
  }
}

// The two operands of the block product in the layout that the bf16 kernel asks for.
struct PackedOperands {
  std::int64_t depth;  // long side, rounded up to an even number
  at::Tensor left;     // Aᵀ [short, depth]
  at::Tensor right;    // A as [depth / 2, short, 2]: row pairs interleaved
};

// Two neighbouring bf16 of a row of Aᵀ form one 32-bit word, and the words of both layouts are
// each other's transposes: whichever is near to the weight's own layout is made first.
PackedOperands pack_bf16(const MatrixTiles& matrix) {
  const at::Tensor weight = matrix.weight().to(at::kBFloat16);
  const std::int64_t rows = matrix.long_side(), columns = matrix.short_side();
  const std::int64_t depth = rows + rows % 2;
  PackedOperands packed{depth, {}, at::empty({depth / 2, columns, 2}, weight.options())};
  const at::Tensor right_words = packed.right.view({depth / 2, columns * 2}).view(at::kInt);
  if (matrix.transposed()) {
    packed.left = rows == depth ? weight : at::constant_pad_nd(weight, {0, 1});
    right_words.copy_(packed.left.view(at::kInt).t());
    return packed;
  }
  const std::vector<std::uint16_t> zeros(static_cast<std::size_t>(columns));
  const auto* values = static_cast<const std::uint16_t*>(weight.const_data_ptr());
  auto* pairs = static_cast<std::uint16_t*>(packed.right.mutable_data_ptr());
  for (std::int64_t k = 0; k < rows; k += 2) {
    const std::uint16_t* odd = k + 1 < rows ? values + (k + 1) * columns : zeros.data();
    interleave(values + k * columns, odd, columns, pairs + k * columns);
  }
  packed.left = at::empty({columns, depth}, weight.options());
  packed.left.view(at::kInt).copy_(right_words.t());
  return packed;
}

at::Tensor bf16_tile(const PackedOperands& operands, const TilePair& at, std::int64_t size) {
  const std::int64_t rows = std::min(kTile, size - at.row);
  const std::int64_t columns = std::min(kTile, size - at.column);
  const auto* left = operands.left.const_data_ptr<at::BFloat16>() + at.row * operands.depth;
  const auto* right = operands.right.const_data_ptr<at::BFloat16>() + at.column * 2;
  at::Tensor total = at::zeros({rows, columns}, at::kDouble);
  std::vector<float> sum(static_cast<std::size_t>(rows * columns));
  auto* totals = total.mutable_data_ptr<double>();
  for (std::int64_t k = 0; k < operands.depth; k += kChunk) {
    at::native::cpublas::brgemm(rows, columns, std::min(kChunk, operands.depth - k), operands.depth,
                                size, columns, /*add_C=*/false, left + k, right + k * size,
                                sum.data());
    add_floats_to_doubles(sum.data(), totals, rows * columns);
  }
  return total;
}

at::Tensor gram_bf16(const MatrixTiles& matrix) {
  const std::int64_t size = matrix.short_side();
  const PackedOperands operands = pack_bf16(matrix);
  const std::vector<TilePair> tiles = lower_tiles(size, kTile);
  at::Tensor gram = at::empty({size, size}, at::kDouble);
  for_each_tile(static_cast<std::int64_t>(tiles.size()), [&](std::int64_t i) {
    store_symmetric(gram, tiles[i], bf16_tile(operands, tiles[i], size));
    at::native::cpublas::brgemm_release();
  });
  return gram;
}

// Any precision through ATen's product, with the same tiles and chunks.
at::Tensor gram_by_blas(const MatrixTiles& matrix, at::ScalarType dtype) {
  const std::int64_t size = matrix.short_side();
  const at::Tensor weight = matrix.weight().to(dtype);
  const at::Tensor left = matrix.transposed() ? weight : weight.t();  // [short, long]
  const std::vector<TilePair> tiles = lower_tiles(size, kBlasTile);
  at::Tensor gram = at::empty({size, size}, at::kDouble);
  for_each_tile(static_cast<std::int64_t>(tiles.size()), [&](std::int64_t i) {
    const auto [row, column] = tiles[i];
    const at::Tensor a = left.narrow(0, row, std::min(kBlasTile, size - row));
    const at::Tensor b = left.narrow(0, column, std::min(kBlasTile, size - column)).t();
    at::Tensor total = at::zeros({a.size(0), b.size(1)}, at::kDouble);
    const std::int64_t chunk = dtype == at::kDouble ? left.size(1) : kChunk;
    for (std::int64_t k = 0; k < left.size(1); k += chunk) {
      const std::int64_t depth = std::min(chunk, left.size(1) - k);
      total.add_(at::mm(a.narrow(1, k, depth), b.narrow(0, k, depth)));
    }
    store_symmetric(gram, tiles[i], total);
  });
  return gram;
}

bool cpu_multiplies_bf16() {
#if defined(__x86_64__)
  static const bool supported = __builtin_cpu_supports("avx512bf16") != 0;
  return supported;
#else
  return false;
#endif
}

bool float_values_fit_bf16(const at::Tensor& weight) {
  const float* values = weight.const_data_ptr<float>();
  for (std::int64_t i = 0; i < weight.numel(); ++i) {
    if ((std::bit_cast<std::uint32_t>(values[i]) & 0xFFFFu) != 0) return false;
  }
  return true;
}

}  // namespace

bool uses_bf16_products(const at::Tensor& weight) {
  if (!cpu_multiplies_bf16()) return false;
  if (weight.scalar_type() == at::kBFloat16) return true;
  return weight.scalar_type() == at::kFloat && weight.is_contiguous() &&
         float_values_fit_bf16(weight);
}

at::Tensor gram_matrix(const MatrixTiles& matrix, GramPrecision precision) {
  if (precision == GramPrecision::kDouble || matrix.weight().scalar_type() == at::kDouble) {
    return gram_by_blas(matrix, at::kDouble);
  }
  if (uses_bf16_products(matrix.weight())) return gram_bf16(matrix);
  return gram_by_blas(matrix, at::kFloat);
}

}  // namespace svtune::detail
