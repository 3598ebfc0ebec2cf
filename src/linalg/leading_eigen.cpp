#include "linalg/leading_eigen.h"

#include <algorithm>

#include "base/errors.h"
#include "libtorch/prelude.h"
#include "linalg/block_lanczos.h"
#include "linalg/lapack.h"

namespace svtune {
namespace {

constexpr std::int64_t kSmall = 1024;  // all eigenpairs cost less than a second

at::Tensor all_eigenvectors(const at::Tensor& matrix, std::int64_t count) {
  return lapack::eigh(matrix).vectors.narrow(1, matrix.size(0) - count, count).flip(1);
}

detail::LanczosOptions krylov_options(std::int64_t n, std::int64_t count) {
  detail::LanczosOptions options;
  options.wanted = count;
  options.extra = std::min<std::int64_t>(n - count, 8 + count / 16);
  options.block = count <= 64 ? 16 : 32;
  options.first_check = 9 * options.block + 3 * count;
  options.max_dimension = n / 2;
  options.tolerance = 1e-10;
  options.seed = 0;
  return options;
}

bool has_krylov_space(std::int64_t n, const detail::LanczosOptions& options) {
  return n > kSmall && options.first_check <= options.max_dimension;
}

// By a Krylov space where that is much smaller than the matrix; undefined when it is not.
at::Tensor krylov_eigenvectors(const at::Tensor& matrix, std::int64_t count) {
  const std::int64_t n = matrix.size(0);
  const detail::LanczosOptions options = krylov_options(n, count);
  if (!has_krylov_space(n, options)) return {};
  const detail::LanczosResult found = detail::leading_eigenvectors(detail::map_of(matrix), options);
  return found.converged ? found.vectors.narrow(1, 0, count) : at::Tensor();
}

at::Tensor signs_of(const at::Tensor& columns) {
  const at::Tensor largest = columns.abs().argmax(0, /*keepdim=*/true);
  return at::where(columns.gather(0, largest) < 0, -1.0, 1.0);
}

}  // namespace

EigenFactors leading_eigen(const at::Tensor& matrix, std::int64_t count) {
  const at::Tensor wide = matrix.to(at::kDouble);
  if (!at::isfinite(wide.sum()).item<bool>()) {
    throw ModelError("a sum over the data is not finite");
  }
  at::Tensor vectors = krylov_eigenvectors(wide, count);
  if (!vectors.defined()) vectors = all_eigenvectors(wide, count);
  vectors = (vectors * signs_of(vectors)).contiguous();
  const at::Tensor values = (vectors * at::mm(wide, vectors)).sum(0).clamp_min(0);
  return {values, vectors};
}

std::int64_t leading_eigen_workspace(std::int64_t n, std::int64_t count) {
  constexpr std::int64_t kBytes = 8;
  const detail::LanczosOptions options = krylov_options(n, count);
  // The matrix in fp64, then the projected one and the basis as far as it is filled.
  if (has_krylov_space(n, options)) {
    const std::int64_t most = options.max_dimension;
    return kBytes * (n * n + most * most + n * options.first_check);
  }
  // The matrix in fp64, its vectors, and two matrices of syevd.
  return kBytes * 4 * n * n;
}

}  // namespace svtune
