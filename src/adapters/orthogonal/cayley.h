// Orthogonal matrices from skew-symmetric ones, as what they change: R − 1, which stays exact
// where R is near the identity. Blocks are [k, b, b], k of them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace svtune {

// The skew-symmetric Q [k, b, b] with the strict upper triangles [k, b(b-1)/2], row by row.
// Differentiable.
at::Tensor skew_from_upper(const at::Tensor& upper, std::int64_t b);

// (1 − Q)(1 + Q)⁻¹ − 1, exactly orthogonal. Differentiable.
at::Tensor cayley_change(const at::Tensor& Q);

// 2Q + 2Q² + ... + Q^(terms-1), the first `terms` terms of the series of (1 + Q)(1 − Q)⁻¹ with
// the last one halved, less 1: the inverse rotation of cayley_change(), and orthogonal only
// approximately. Of 3 terms the last is Q³, as of 4 (PEFT 0.21). Differentiable.
at::Tensor neumann_change(const at::Tensor& Q, std::int64_t terms);

}  // namespace svtune
