#include "linalg/subspace_iteration.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>

#include <tuple>
#include <utility>

namespace svtune::detail {
namespace {

at::Tensor orthonormal_columns(const at::Tensor& x) { return std::get<0>(at::linalg_qr(x)); }

}  // namespace

LowRankFactors subspace_iteration(const at::Tensor& weight, std::int64_t q, std::int64_t niter,
                                  std::uint64_t seed) {
  const bool wide = weight.size(0) < weight.size(1);
  const at::Tensor A = wide ? weight.t() : weight;  // tall
  at::Generator generator = at::detail::createCPUGenerator(seed);
  const at::Tensor start = at::randn({A.size(1), q}, generator, A.options());
  at::Tensor Q = orthonormal_columns(at::mm(A, start));
  for (std::int64_t i = 0; i < niter; ++i) {
    Q = orthonormal_columns(at::mm(A.t(), Q));
    Q = orthonormal_columns(at::mm(A, Q));
  }
  auto [U, S, Vh] = at::linalg_svd(at::mm(Q.t(), A), /*full_matrices=*/false);
  at::Tensor left = at::mm(Q, U), right = Vh.t().contiguous();
  if (wide) std::swap(left, right);
  return {left, S, right};
}

}  // namespace svtune::detail
