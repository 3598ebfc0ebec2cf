// A frozen matrix of a linear layer and the few products that adapters may ask of it. It is
// stored dense or quantised; adapters see nothing of that.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "quant/quantized_matrix.h"

namespace svtune {

class BaseWeight {
 public:
  BaseWeight() = default;  // no weight: an adapter that replaces it owns the product
  // `dense` is [out, in], bf16, fp32 or fp64; it is kept as it is, never copied or written.
  explicit BaseWeight(at::Tensor dense);
  // Products are computed in `compute` (bf16, fp32 or fp64), on a copy in a buffer that all
  // quantised weights of a thread share; no dense copy outlives a call.
  BaseWeight(std::shared_ptr<const QuantizedMatrix> quantized, at::ScalarType compute);

  bool defined() const { return dense_.defined() || quantized_ != nullptr; }
  std::int64_t out_features() const;
  std::int64_t in_features() const;
  at::ScalarType dtype() const { return dtype_; }  // of the products
  at::Device device() const;
  std::int64_t nbytes() const;  // as stored
  // Null when stored dense.
  const std::shared_ptr<const QuantizedMatrix>& quantized() const { return quantized_; }

  // x [T, in] -> x Wᵀ [T, out]. Differentiable in x; the weight gets no gradient.
  at::Tensor matmul(const at::Tensor& x) const;
  // grad [T, out] -> grad W [T, in], for hand-written backward passes; builds no graph.
  at::Tensor matmul_transposed(const at::Tensor& grad) const;

  // The matrix [out, in] in dtype(): a view when it is stored dense, else a fresh copy.
  at::Tensor dense() const;
  // The matrix in fp32 (fp64 stays fp64): the dtype of merges and decompositions.
  at::Tensor dense_high_precision() const;

 private:
  at::Tensor dense_;
  std::shared_ptr<const QuantizedMatrix> quantized_;
  at::ScalarType dtype_ = at::kFloat;
};

}  // namespace svtune
