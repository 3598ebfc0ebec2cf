#include "linalg/subspace_iteration.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>

#include <tuple>
#include <utility>

#include "linalg/fallback.h"
#include "linalg/lapack.h"

namespace svtune::detail {
namespace {

at::Tensor orthonormal_columns(const at::Tensor& x) { return lapack::qr(x).Q; }

// In the precision of the iteration, as torch.svd_lowrank; fp64 should that fail.
SvdFactors small_svd(const at::Tensor& matrix) {
  try {
    const auto [U, S, Vh] = lapack::svd(matrix);
    return {U, S, Vh.t(), ""};
  } catch (const c10::LinAlgError&) {
    SvdFactors slow = dense_svd(matrix);
    for (at::Tensor* each : {&slow.U, &slow.S, &slow.V}) *each = each->to(matrix.scalar_type());
    slow.given_up = "gesdd (fp32) did not converge" +
                    (slow.given_up.empty() ? std::string() : ", " + slow.given_up);
    return slow;
  }
}

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
  const SvdFactors small = small_svd(at::mm(Q.t(), A));
  at::Tensor left = at::mm(Q, small.U), right = small.V.contiguous();
  if (wide) std::swap(left, right);
  return {left, small.S, right, small.given_up};
}

}  // namespace svtune::detail
