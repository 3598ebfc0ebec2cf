// A frozen matrix as codes of 8 bits, and its products in int8:
//
//   W[n, k] = w[n] · Q[n, k]                                  one scale per row
//   x[t, k] = s[t] · (H[t, k] + L[t, k] / 254)                two parts, 15 bits
//   x Wᵀ    = s[t] · w[n] · (H Qᵀ + L Qᵀ / 254)[t, n]         two products in one call
//   g[t, n] · w[n] = r[t] · G[t, n],    g W = r[t] · (G Q)[t, k]          one product
//
// Few columns of x are far larger than all others and would leave them a coarse step. So either x
// has two parts, or these columns multiply in fp32 and the rest has one part.
//
// The rows' scales go into g before it is rounded, so that both directions use the same codes: one
// byte a weight, and the gradient is that of the matrix that the forward pass used. Sums are exact
// (int32): results do not depend on threads, nor, with two parts, on the other rows.
// Source: LLM.int8() 2208.07339 section 2 (scales per row of x and of W); SwitchBack 2304.13013
// (int8 forward and input gradient).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "nn/int8_input.h"
#include "quant/quantized_matrix.h"

namespace svtune {

class Int8Weight {
 public:
  // `dense` is [out, in] in fp32, bf16 or fp16; rows are rounded to 127 steps of their largest
  // magnitude. Throws ModelError for an input so wide that sums could overflow, and where ATen's
  // int8 products are not exact on this machine.
  explicit Int8Weight(const at::Tensor& dense, Int8Input input = Int8Input::kTwoParts);
  // The codes of an int8 matrix as they are, without a copy; others are rounded like a dense one.
  explicit Int8Weight(const QuantizedMatrix& stored, Int8Input input = Int8Input::kTwoParts);

  std::int64_t out_features() const { return codes_.size(0); }
  std::int64_t in_features() const { return codes_.size(1); }
  std::int64_t nbytes() const;  // codes and scales, as far as they are no one else's

  // x [T, in] -> x Wᵀ [T, out] and grad [T, out] -> grad W [T, in], in the operand's dtype (fp32
  // or bf16); no graph.
  at::Tensor product(const at::Tensor& x) const;
  at::Tensor product_transposed(const at::Tensor& grad) const;
  // The same added to `sum`, which is contiguous, of the result's shape and dtype; rounded once.
  at::Tensor product(const at::Tensor& x, at::Tensor sum) const;
  at::Tensor product_transposed(const at::Tensor& grad, at::Tensor sum) const;

  // The matrix that the products stand for, fp32 [out, in].
  at::Tensor dense() const;

 private:
  void check() const;
  // sum (+)= x Wᵀ.
  void add_product(const at::Tensor& x, const at::Tensor& sum, bool accumulate) const;

  at::Tensor codes_;   // int8 [out, in]
  at::Tensor scales_;  // fp32 [out]
  Int8Input input_ = Int8Input::kTwoParts;
  bool shares_codes_ = false;
};

// Whether ATen multiplies int8 without saturating on this machine; processors with AVX2 or AVX-512
// but without their int8 instructions do not. Looked at once.
bool int8_products_are_exact();

}  // namespace svtune
