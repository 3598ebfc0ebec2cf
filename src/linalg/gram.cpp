#include "linalg/gram.h"

#include <ATen/Dispatch.h>
#include <ATen/native/CPUBlas.h>
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
constexpr std::int64_t kBlasTile = 256;  // at most; BLAS needs larger ones for full speed
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

// The two operands of the block product in the layout that the bf16 kernel asks for, cut into
// blocks of kTile columns by kChunk rows of A that lie contiguously in memory.
struct PackedOperands {
  std::int64_t chunks = 0;
  at::Tensor left;   // Aᵀ [tiles, chunks, kTile, kChunk] bf16, zero beyond the edges
  at::Tensor right;  // A [tiles, chunks, kChunk / 2, kTile, 2]: row pairs interleaved

  std::int64_t offset(std::int64_t tile, std::int64_t chunk) const {
    return (tile * chunks + chunk) * kTile * kChunk;
  }
};

// One block of a weight [long, short]: its rows are A's.
void pack_tall(const at::Tensor& weight, std::int64_t row, std::int64_t column, std::uint16_t* left,
               std::uint16_t* right) {
  const std::int64_t columns = weight.size(1), width = std::min(kTile, columns - column);
  const std::uint16_t zeros[kTile] = {};
  const auto* values = static_cast<const std::uint16_t*>(weight.const_data_ptr()) + column;
  const auto row_at = [&](std::int64_t r) {
    return r < weight.size(0) ? values + r * columns : zeros;
  };
  if (width < kTile) std::fill_n(right, kTile * kChunk, std::uint16_t{0});
  for (std::int64_t i = 0; i < kChunk; i += 2) {
    interleave(row_at(row + i), row_at(row + i + 1), width, right + i * kTile);
  }
  // Two neighbouring bf16 of a row of Aᵀ form one word: the layouts are transposes in words.
  transpose_words(right, kChunk / 2, kTile, left);
}

// One block of a weight [short, long]: its rows are Aᵀ's.
void pack_wide(const at::Tensor& weight, std::int64_t row, std::int64_t column, std::uint16_t* left,
               std::uint16_t* right) {
  const std::int64_t columns = weight.size(1), width = std::min(kChunk, columns - column);
  const std::int64_t rows = std::min(kTile, weight.size(0) - row);
  if (width < kChunk || rows < kTile) std::fill_n(left, kTile * kChunk, std::uint16_t{0});
  const auto* values = static_cast<const std::uint16_t*>(weight.const_data_ptr());
  for (std::int64_t i = 0; i < rows; ++i) {
    std::copy_n(values + (row + i) * columns + column, width, left + i * kChunk);
  }
  transpose_words(left, kTile, kChunk / 2, right);
}

PackedOperands pack_bf16(const MatrixTiles& matrix) {
  const at::Tensor weight = matrix.weight().to(at::kBFloat16);
  const std::int64_t tiles = (matrix.short_side() + kTile - 1) / kTile;
  PackedOperands packed;
  packed.chunks = (matrix.long_side() + kChunk - 1) / kChunk;
  packed.left = at::empty({tiles, packed.chunks, kTile, kChunk}, weight.options());
  packed.right = at::empty({tiles, packed.chunks, kChunk / 2, kTile, 2}, weight.options());
  auto* left = static_cast<std::uint16_t*>(packed.left.mutable_data_ptr());
  auto* right = static_cast<std::uint16_t*>(packed.right.mutable_data_ptr());
  for_each_tile(tiles, [&](std::int64_t tile) {
    for (std::int64_t chunk = 0; chunk < packed.chunks; ++chunk) {
      const std::int64_t at = packed.offset(tile, chunk);
      if (matrix.transposed()) {
        pack_wide(weight, tile * kTile, chunk * kChunk, left + at, right + at);
      } else {
        pack_tall(weight, chunk * kChunk, tile * kTile, left + at, right + at);
      }
    }
  });
  return packed;
}

at::Tensor bf16_tile(const PackedOperands& operands, const TilePair& at, std::int64_t size) {
  const std::int64_t rows = std::min(kTile, size - at.row);
  const std::int64_t columns = std::min(kTile, size - at.column);
  const auto* left = operands.left.const_data_ptr<at::BFloat16>();
  const auto* right = operands.right.const_data_ptr<at::BFloat16>();
  at::Tensor total = at::zeros({rows, columns}, at::kDouble);
  std::vector<float> sum(static_cast<std::size_t>(rows * columns));
  for (std::int64_t chunk = 0; chunk < operands.chunks; ++chunk) {
    at::native::cpublas::brgemm(rows, columns, kChunk, kChunk, kTile, columns, /*add_C=*/false,
                                left + operands.offset(at.row / kTile, chunk),
                                right + operands.offset(at.column / kTile, chunk), sum.data());
    add_floats_to_doubles(sum.data(), total.mutable_data_ptr<double>(), rows * columns);
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
  // Tiles of one size, so that the threads are done together.
  const std::int64_t per_side = (size + kBlasTile - 1) / kBlasTile;
  const std::int64_t side = (size + per_side - 1) / per_side;
  const std::vector<TilePair> tiles = lower_tiles(size, side);
  at::Tensor gram = at::empty({size, size}, at::kDouble);
  for_each_tile(static_cast<std::int64_t>(tiles.size()), [&](std::int64_t i) {
    const auto [row, column] = tiles[i];
    const at::Tensor a = left.narrow(0, row, std::min(side, size - row));
    const at::Tensor b = left.narrow(0, column, std::min(side, size - column)).t();
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

bool float_values_fit_bf16(const at::Tensor& weight) {
  const float* values = weight.const_data_ptr<float>();
  for (std::int64_t i = 0; i < weight.numel(); ++i) {
    if ((std::bit_cast<std::uint32_t>(values[i]) & 0xFFFFu) != 0) return false;
  }
  return true;
}

}  // namespace

bool cpu_multiplies_bf16() {
#if defined(__x86_64__)
  static const bool supported = __builtin_cpu_supports("avx512bf16") != 0;
  return supported;
#else
  return false;
#endif
}

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
