// Decompositions by LAPACK; the only way to them in this project (tools/check_layers.py).
//
// LAPACK's blocked routines open parallel regions of their own. Reached inside one of ours, MKL on
// Intel processors waits for threads it does not get: the result is garbage, or never comes. Calls
// made inside a parallel region are therefore serial; elsewhere they use ATen's threads.
//
// All take fp32 or fp64 matrices and throw c10::LinAlgError when they do not converge. What they
// return is as good as the library below: check it (svd_check.h) before it is used.
#pragma once

#include <ATen/core/Tensor.h>

namespace svtune::lapack {

struct Eigenpairs {
  at::Tensor values;   // [n] ascending
  at::Tensor vectors;  // [n, n], a column each
};
Eigenpairs eigh(const at::Tensor& symmetric);      // reads the lower half
at::Tensor eigvalsh(const at::Tensor& symmetric);  // [n] ascending

struct QrFactors {
  at::Tensor Q;  // [m, min(m, n)] with orthonormal columns
  at::Tensor R;  // [min(m, n), n] upper triangular
};
QrFactors qr(const at::Tensor& matrix);

struct ThinFactors {
  at::Tensor U, S, Vh;  // [m, k], [k] descending, [k, n] with k = min(m, n)
};
ThinFactors svd(const at::Tensor& matrix);

}  // namespace svtune::lapack
