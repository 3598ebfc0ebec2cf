// A frozen matrix of a linear layer and the few products that adapters may ask of it.
// Adapters see nothing else of the base, so a quantised storage can take the place of the
// dense one without any adapter knowing.
#pragma once

#include <ATen/core/Tensor.h>

namespace svtune {

class BaseWeight {
 public:
  BaseWeight() = default;  // no weight: an adapter that replaces it owns the product
  // `dense` is [out, in], bf16, fp32 or fp64; it is kept as it is, never copied or written.
  explicit BaseWeight(at::Tensor dense);

  bool defined() const { return dense_.defined(); }
  std::int64_t out_features() const { return dense_.size(0); }
  std::int64_t in_features() const { return dense_.size(1); }
  at::ScalarType dtype() const { return dense_.scalar_type(); }
  at::Device device() const { return dense_.device(); }

  // x [T, in] -> x Wᵀ [T, out]. Differentiable in x; the weight gets no gradient.
  at::Tensor matmul(const at::Tensor& x) const;
  // grad [T, out] -> grad W [T, in], for hand-written backward passes; builds no graph.
  at::Tensor matmul_transposed(const at::Tensor& grad) const;

  // The matrix [out, in] in its storage dtype; a view when it is stored dense.
  at::Tensor dense() const { return dense_; }
  // The matrix in fp32 (fp64 stays fp64): the dtype of merges and decompositions.
  at::Tensor dense_high_precision() const;

 private:
  at::Tensor dense_;
};

}  // namespace svtune
