// One weight seen as a tall matrix A [long, short] in row tiles, whichever way it is stored.
//
// A decomposition needs only three things of a weight: tiles of A in a working precision,
// products of tiles with thin matrices, and its scale. For a weight with out < in, A is the
// transpose; nothing is copied for that.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

namespace svtune::detail {

class MatrixTiles {
 public:
  // `weight` is [out, in] in bf16, fp16, fp32 or fp64, dense, on the CPU, with finite entries.
  explicit MatrixTiles(const at::Tensor& weight);

  std::int64_t long_side() const { return long_; }
  std::int64_t short_side() const { return short_; }
  bool transposed() const { return transposed_; }  // A is the weight's transpose
  const at::Tensor& weight() const { return weight_; }

  // Tiles of equal height (the last may be lower); the height depends on the shape alone, so
  // that sums over tiles have the same order everywhere.
  std::int64_t tile_count() const { return tile_count_; }
  std::int64_t tile_begin(std::int64_t tile) const { return tile * tile_rows_; }
  std::int64_t tile_size(std::int64_t tile) const;
  // Rows of A [tile_size, short] converted to `dtype`, perhaps as a transposed view.
  at::Tensor tile(std::int64_t tile, at::ScalarType dtype) const;

  // The sum over tiles of what `term(tile, out)` writes to `out` [rows, columns] of `dtype`; added
  // in fp64 in the order of the tiles, whatever the threads. The terms that are alive at once take
  // no more than an fp32 copy of A, or than one term.
  at::Tensor sum_over_tiles(
      std::int64_t rows, std::int64_t columns, at::ScalarType dtype,
      const std::function<void(std::int64_t tile, at::Tensor& out)>& term) const;

  // A · right [long, k] in right's dtype; right is [short, k].
  at::Tensor times(const at::Tensor& right) const;
  // Aᵀ · (A · right) [short, k] in right's dtype, summed over tiles in fp64; right is [short, k].
  // Each tile is read once for both products.
  at::Tensor gram_times(const at::Tensor& right) const;
  // Aᵀ · left [short, k] in left's dtype, summed over tiles in fp64; left is [long, k].
  at::Tensor transposed_times(const at::Tensor& left) const;

 private:
  at::Tensor weight_;
  bool transposed_;
  std::int64_t long_, short_, tile_rows_, tile_count_;
};

}  // namespace svtune::detail
