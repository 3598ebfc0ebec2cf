#include "linalg/matrix_tiles.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "linalg/parallel.h"

namespace svtune::detail {
namespace {

constexpr std::int64_t kMinTileRows = 256;
constexpr std::int64_t kMaxTiles = 16;  // bounds the partial sums of transposed_times

std::int64_t tile_rows_for(std::int64_t rows) {
  return std::max(kMinTileRows, (rows + kMaxTiles - 1) / kMaxTiles);
}

}  // namespace

MatrixTiles::MatrixTiles(const at::Tensor& weight)
    : weight_(weight.contiguous()),
      transposed_(weight.size(0) < weight.size(1)),
      long_(std::max(weight.size(0), weight.size(1))),
      short_(std::min(weight.size(0), weight.size(1))),
      tile_rows_(tile_rows_for(long_)),
      tile_count_((long_ + tile_rows_ - 1) / tile_rows_) {}

std::int64_t MatrixTiles::tile_size(std::int64_t tile) const {
  return std::min(tile_rows_, long_ - tile_begin(tile));
}

at::Tensor MatrixTiles::tile(std::int64_t tile, at::ScalarType dtype) const {
  if (!transposed_) return weight_.narrow(0, tile_begin(tile), tile_size(tile)).to(dtype);
  const at::Tensor columns = weight_.narrow(1, tile_begin(tile), tile_size(tile));
  return columns
      .to(at::TensorOptions().dtype(dtype), /*non_blocking=*/false, /*copy=*/false,
          at::MemoryFormat::Contiguous)
      .t();
}

at::Tensor MatrixTiles::times(const at::Tensor& right) const {
  at::Tensor product = at::empty({long_, right.size(1)}, right.options());
  for_each_tile(tile_count_, [&](std::int64_t i) {
    at::Tensor rows = product.narrow(0, tile_begin(i), tile_size(i));
    at::mm_out(rows, tile(i, right.scalar_type()), right);
  });
  return product;
}

at::Tensor MatrixTiles::sum_over_tiles(
    std::int64_t rows, std::int64_t columns, at::ScalarType dtype,
    const std::function<void(std::int64_t, at::Tensor&)>& term) const {
  const std::int64_t room = weight_.numel() * 4;
  const std::int64_t bytes = rows * columns * static_cast<std::int64_t>(c10::elementSize(dtype));
  const std::int64_t wave = std::clamp<std::int64_t>(room / bytes, 1, tile_count_);
  at::Tensor partial = at::empty({wave, rows, columns}, dtype);
  at::Tensor total = at::zeros({rows, columns}, at::kDouble);
  for (std::int64_t first = 0; first < tile_count_; first += wave) {
    const std::int64_t count = std::min(wave, tile_count_ - first);
    for_each_tile(count, [&](std::int64_t i) {
      at::Tensor out = partial.select(0, i);
      term(first + i, out);
    });
    for (std::int64_t i = 0; i < count; ++i) total.add_(partial.select(0, i));
  }
  return total;
}

at::Tensor MatrixTiles::gram_times(const at::Tensor& right) const {
  const auto term = [&](std::int64_t i, at::Tensor& out) {
    const at::Tensor rows = tile(i, right.scalar_type());
    at::mm_out(out, rows.t(), at::mm(rows, right));
  };
  return sum_over_tiles(short_, right.size(1), right.scalar_type(), term).to(right.scalar_type());
}

at::Tensor MatrixTiles::transposed_times(const at::Tensor& left) const {
  const auto term = [&](std::int64_t i, at::Tensor& out) {
    at::mm_out(out, tile(i, left.scalar_type()).t(), left.narrow(0, tile_begin(i), tile_size(i)));
  };
  return sum_over_tiles(short_, left.size(1), left.scalar_type(), term).to(left.scalar_type());
}

}  // namespace svtune::detail
