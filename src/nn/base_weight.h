// A frozen matrix of a linear layer and the few products that adapters may ask of it. It is
// stored dense, in the dtype of the products or a narrower one, or quantised, and its products may
// be computed in int8; adapters see nothing of that.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "nn/int8_input.h"
#include "quant/quantized_matrix.h"

namespace svtune {

class Int8Weight;

// What a method adds to a product: scale · left right (∘ mask) (+ bias).
struct ThinProduct {
  at::Tensor left;   // [T, k]
  at::Tensor right;  // [k, n]
  double scale = 1.0;
  at::Tensor mask = {};  // [T, n] or undefined
  at::Tensor bias = {};  // [n], added once, or undefined
};

// Frees the buffers in which this thread's products had quantised and narrower matrices.
void release_product_buffers();

class BaseWeight {
 public:
  BaseWeight() = default;  // no weight: an adapter that replaces it owns the product
  // `dense` is [out, in], bf16, fp32 or fp64; it is kept as it is, never copied or written.
  explicit BaseWeight(at::Tensor dense);
  // `stored` is [out, in], bf16 or fp16, kept as it is like the above; products are computed in
  // `compute`, a wider dtype, on pieces of it that are widened into a buffer of the thread, a few
  // MiB for all weights together. With `compute` the stored dtype it is the above.
  BaseWeight(at::Tensor stored, at::ScalarType compute);
  // Products are computed in `compute` (bf16, fp32 or fp64), on a copy in a buffer that all
  // quantised weights of a thread share; no dense copy outlives a call.
  BaseWeight(std::shared_ptr<const QuantizedMatrix> quantized, at::ScalarType compute);

  // The same matrix with products in int8 (nn/int8_weight.h); codes are made here, and dense()
  // stays what it is. Throws ModelError when products are not in fp32 or bf16 otherwise, and what
  // Int8Weight throws.
  BaseWeight with_int8_products(Int8Input input = Int8Input::kTwoParts) const;

  bool defined() const { return dense_.defined() || quantized_ != nullptr; }
  std::int64_t out_features() const;
  std::int64_t in_features() const;
  at::ScalarType dtype() const { return dtype_; }  // of the products
  at::Device device() const;
  std::int64_t nbytes() const;  // as held, without codes of products in int8
  // Null when stored dense.
  const std::shared_ptr<const QuantizedMatrix>& quantized() const { return quantized_; }
  // Null unless products are computed in int8.
  const std::shared_ptr<const Int8Weight>& int8() const { return int8_; }

  // x [T, in] -> x Wᵀ [T, out]. Differentiable in x; the weight gets no gradient.
  at::Tensor matmul(const at::Tensor& x) const;
  // x Wᵀ + branch and grad W + branch, for the passes of an adapter; they build no graph. Terms
  // are summed in fp32 and rounded once: added to a product that lies on the grid of a 16-bit
  // type already, a branch below half a step would be lost whole, always.
  at::Tensor matmul(const at::Tensor& x, const ThinProduct& branch) const;
  at::Tensor matmul_transposed(const at::Tensor& grad, const ThinProduct& branch) const;
  // grad [T, out] -> grad W [T, in]; builds no graph.
  at::Tensor matmul_transposed(const at::Tensor& grad) const;
  // sum [T, in] += grad W, contiguous and in dtype().
  void add_matmul_transposed(at::Tensor& sum, const at::Tensor& grad) const;

  // The matrix [out, in] in dtype(): a view when it is stored so, else a fresh copy.
  at::Tensor dense() const;
  // As it is stored; undefined for a quantised one.
  const at::Tensor& stored() const { return dense_; }
  // The matrix in fp32 (fp64 stays fp64): the dtype of merges and decompositions.
  at::Tensor dense_high_precision() const;

 private:
  bool is_narrow() const { return dense_.defined() && dense_.scalar_type() != dtype_; }
  // The products without a branch and without a graph.
  at::Tensor product(const at::Tensor& x) const;
  at::Tensor product_transposed(const at::Tensor& grad) const;
  // The matrix as products take it; of a quantised one in the thread's buffer.
  at::Tensor operand() const;

  at::Tensor dense_;
  std::shared_ptr<const QuantizedMatrix> quantized_;
  std::shared_ptr<const Int8Weight> int8_;
  at::ScalarType dtype_ = at::kFloat;
};

}  // namespace svtune
