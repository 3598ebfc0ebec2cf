// Leading eigenpairs of covariances and the like, whose values fall by orders of magnitude: exact
// to rounding of the largest one in fp64, where a decomposition of the matrix as a weight would
// square it first.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace svtune {

struct EigenFactors {
  at::Tensor values;   // [k] fp64, descending
  at::Tensor vectors;  // [n, k] fp64; the entry of largest size in each column is positive
};

// `matrix` [n, n] symmetric positive semidefinite, fp32 or fp64; 1 <= count <= n. Throws ModelError
// when an entry is not finite. The same bits for any number of threads inside for_each_matrix().
EigenFactors leading_eigen(const at::Tensor& matrix, std::int64_t count);

// Bytes that it takes beside a matrix [n, n] in fp32; where it ends in all eigenpairs of a large
// one, whose values hardly fall, three times as many.
std::int64_t leading_eigen_workspace(std::int64_t n, std::int64_t count);

}  // namespace svtune
