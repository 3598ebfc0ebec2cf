#include "linalg/lapack.h"

#include <ATen/Parallel.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_eigvalsh.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/linalg_svd.h>

#include <optional>
#include <tuple>

#include "linalg/parallel.h"

namespace svtune::lapack {
namespace {

class SerialInRegions {
 public:
  SerialInRegions() {
    if (at::in_parallel_region()) one_.emplace();
  }

 private:
  std::optional<OneThread> one_;
};

}  // namespace

Eigenpairs eigh(const at::Tensor& symmetric) {
  const SerialInRegions serial;
  auto [values, vectors] = at::linalg_eigh(symmetric);
  return {values, vectors};
}

at::Tensor eigvalsh(const at::Tensor& symmetric) {
  const SerialInRegions serial;
  return at::linalg_eigvalsh(symmetric);
}

QrFactors qr(const at::Tensor& matrix) {
  const SerialInRegions serial;
  auto [Q, R] = at::linalg_qr(matrix);
  return {Q, R};
}

ThinFactors svd(const at::Tensor& matrix) {
  const SerialInRegions serial;
  auto [U, S, Vh] = at::linalg_svd(matrix, /*full_matrices=*/false);
  return {U, S, Vh};
}

}  // namespace svtune::lapack
