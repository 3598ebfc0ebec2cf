// The fixed pattern of M and the three products that SVFT needs of a matrix with values on it.
// Dense [n, width] operands hold one row per singular direction, tokens along the row, so
// that every entry of M means one contiguous row operation.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace svtune {

class SparsePattern {
 public:
  SparsePattern() = default;
  // `positions` is int32 [2, k] (rows above columns). Throws ModelError when a position lies
  // outside n x n or occurs twice.
  SparsePattern(std::int64_t n, const at::Tensor& positions);

  std::int64_t size() const { return n_; }
  std::int64_t count() const { return rows_.entry.defined() ? rows_.entry.size(0) : 0; }

  // (diag(diagonal) + M) x and its transpose: [n, width] -> [n, width] in x's dtype. `values`
  // is [k] in fp32 (fp64 for fp64 x); `diagonal` is [n] like values, or undefined.
  at::Tensor apply(const at::Tensor& values, const at::Tensor& x,
                   const at::Tensor& diagonal = {}) const;
  at::Tensor apply_transposed(const at::Tensor& values, const at::Tensor& x,
                              const at::Tensor& diagonal = {}) const;

  // The same, transposed: [n, width] -> [width, n].
  at::Tensor mix(const at::Tensor& values, const at::Tensor& x,
                 const at::Tensor& diagonal = {}) const;
  at::Tensor mix_transposed(const at::Tensor& values, const at::Tensor& x,
                            const at::Tensor& diagonal = {}) const;

  // left[i] · right[j] at each position, [k] in fp32 (fp64 for fp64 operands): the entries of
  // left · rightᵀ on the pattern, without the rest.
  at::Tensor sampled_product(const at::Tensor& left, const at::Tensor& right) const;

  // M as a dense [n, n] matrix: the slow form, used on devices without the kernels.
  at::Tensor dense(const at::Tensor& values) const;

 private:
  struct Grouped {  // int32 index lists of kernels::SparseRows
    at::Tensor begin, column, entry;
  };
  static Grouped group(std::int64_t n, const at::Tensor& rows, const at::Tensor& columns);
  at::Tensor mixed(const Grouped& grouped, const at::Tensor& values, const at::Tensor& x,
                   const at::Tensor& diagonal) const;
  at::Tensor product(const Grouped& grouped, const at::Tensor& values, const at::Tensor& x,
                     const at::Tensor& diagonal) const;

  std::int64_t n_ = 0;
  at::Tensor flat_;  // [k] int64, i * n + j
  Grouped rows_, columns_;
};

}  // namespace svtune
