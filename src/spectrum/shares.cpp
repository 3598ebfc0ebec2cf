#include "spectrum/shares.h"

#include <algorithm>

#include "libtorch/prelude.h"

namespace svtune {

double norm_of(const at::Tensor& matrix) { return matrix.norm(2, at::kDouble).item<double>(); }

UpdateShares update_shares(const at::Tensor& change, const ThinSvd& svd, std::int64_t rank) {
  UpdateShares shares;
  const double norm = norm_of(change);
  if (norm == 0) return shares;
  const double all = norm * norm;
  const at::Tensor left = at::mm(svd.U.t(), change).square().sum(1, false, at::kDouble);
  const at::Tensor right = at::mm(change, svd.V).square().sum(0, false, at::kDouble);
  const at::Tensor by_direction = (left + right) / (2 * all);
  const std::int64_t n = by_direction.size(0);
  const auto between = [&](std::int64_t begin, std::int64_t end) {
    return by_direction.narrow(0, begin, end - begin).sum().item<double>();
  };
  shares.leading = between(0, rank);
  shares.principal = between(0, n / 3);
  shares.medium = between(n / 3, n - n / 3);
  shares.minor = between(n - n / 3, n);
  shares.outside = std::max(0.0, 1 - shares.principal - shares.medium - shares.minor);
  return shares;
}

}  // namespace svtune
