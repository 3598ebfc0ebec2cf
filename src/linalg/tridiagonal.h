// The leading eigenpairs of a symmetric matrix at about half the price of all of them: reduction
// to tridiagonal form, bisection for the wanted eigenvalues only, inverse iteration for their
// vectors, and the reflections applied to those. (Golub and Van Loan, "Matrix Computations",
// 4th ed., sections 8.3 and 8.4; blocking after Dongarra, Sorensen and Hammarling 1989.)
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace svtune::detail {

// A = Q T Qᵀ; Q is a product of reflections.
struct TridiagonalForm {
  std::vector<double> diagonal;      // [n]
  std::vector<double> off_diagonal;  // [n - 1]
  at::Tensor reflectors;             // [n - 1, n] fp32; row j acts on the entries from j + 1
  std::vector<float> scales;         // [n - 1]: H = I - scale · v vᵀ
};

// `matrix` is [n, n] fp32, symmetric; its upper half is read.
TridiagonalForm tridiagonal_form(const at::Tensor& matrix);

// Q · z for z [n, k] fp32.
at::Tensor rotate_back(const TridiagonalForm& form, const at::Tensor& z);

// The `count` largest eigenvalues of the tridiagonal matrix, descending.
std::vector<double> largest_eigenvalues(const TridiagonalForm& form, std::int64_t count);

// Eigenvectors of the tridiagonal matrix for descending eigenvalues: [n, k] fp64, of length 1,
// orthogonal to about 1e-9.
at::Tensor tridiagonal_eigenvectors(const TridiagonalForm& form, const std::vector<double>& values);

struct LeadingEigenpairs {
  std::vector<double> values;  // [count + 1], descending: the first one left out is the last
  at::Tensor vectors;          // [n, count] fp32
};

// `count` < n. Work and result are serial and the same bits for any number of threads.
LeadingEigenpairs leading_eigenpairs(const at::Tensor& matrix, std::int64_t count);

}  // namespace svtune::detail
