#include <array>
#include <cmath>
#include <utility>

#include "libtorch/prelude.h"
#include "linalg/fallback.h"
#include "linalg/lapack.h"
#include "linalg/svd_check.h"

namespace svtune::detail {
namespace {

constexpr int kSweeps = 60;
// Cosine of two columns that need no rotation: above the rounding of a long sum.
constexpr double kOrthogonal = 1e-13;

// Turns two vectors of `size` entries by the angle with cosine c and sine s.
void rotate(double* a, double* b, std::int64_t size, double c, double s) {
  for (std::int64_t i = 0; i < size; ++i) {
    const double x = a[i], y = b[i];
    a[i] = c * x - s * y;
    b[i] = s * x + c * y;
  }
}

// Columns of the matrix and of the accumulated rotations, as rows: contiguous memory.
struct Columns {
  at::Tensor image;     // [n, m]
  at::Tensor rotation;  // [n, n]
};

// Makes rows p and q of the image orthogonal. False when they were.
bool orthogonalise(Columns& columns, std::int64_t p, std::int64_t q) {
  const std::int64_t m = columns.image.size(1), n = columns.rotation.size(1);
  double* a = columns.image.mutable_data_ptr<double>() + p * m;
  double* b = columns.image.mutable_data_ptr<double>() + q * m;
  double aa = 0, bb = 0, ab = 0;
  for (std::int64_t i = 0; i < m; ++i) {
    aa += a[i] * a[i];
    bb += b[i] * b[i];
    ab += a[i] * b[i];
  }
  if (ab == 0 || std::abs(ab) <= kOrthogonal * std::sqrt(aa) * std::sqrt(bb)) return false;
  const double zeta = (bb - aa) / (2 * ab);
  const double t = (zeta >= 0 ? 1.0 : -1.0) / (std::abs(zeta) + std::hypot(1.0, zeta));
  const double c = 1 / std::hypot(1.0, t);
  rotate(a, b, m, c, c * t);
  double* turns = columns.rotation.mutable_data_ptr<double>();
  rotate(turns + p * n, turns + q * n, n, c, c * t);
  return true;
}

bool sweep(Columns& columns) {
  bool turned = false;
  for (std::int64_t p = 0; p + 1 < columns.image.size(0); ++p) {
    for (std::int64_t q = p + 1; q < columns.image.size(0); ++q) {
      turned = orthogonalise(columns, p, q) || turned;
    }
  }
  return turned;
}

// Orthonormal columns from `image` [m, n] with lengths sigma, descending; where sigma is zero,
// Householder QR completes the basis.
at::Tensor left_vectors(const at::Tensor& image, const at::Tensor& sigma) {
  const at::Tensor usable = sigma.gt(sigma[0] * 1e-14);
  const at::Tensor scaled = at::where(usable, image / at::where(usable, sigma, 1.0), 0.0);
  const auto [Q, R] = lapack::qr(scaled);
  return Q * at::where(R.diagonal().lt(0), -1.0, 1.0);
}

}  // namespace

SvdFactors jacobi_svd(const at::Tensor& matrix) {
  if (matrix.size(0) < matrix.size(1)) {
    SvdFactors flipped = jacobi_svd(matrix.t());
    std::swap(flipped.U, flipped.V);
    return flipped;
  }
  const std::int64_t n = matrix.size(1);
  // Not a view: the caller's matrix must stay.
  Columns columns{matrix.to(at::kDouble).t().clone(at::MemoryFormat::Contiguous),
                  at::eye(n, at::kDouble)};
  int sweeps = 0;
  while (sweep(columns)) {
    if (++sweeps == kSweeps) TORCH_CHECK_LINALG(false, "Jacobi rotations did not converge");
  }
  const at::Tensor lengths = at::linalg_vector_norm(columns.image, 2, at::IntArrayRef{1});
  const auto [sigma, order] = lengths.sort(/*stable=*/true, /*dim=*/0, /*descending=*/true);
  const at::Tensor image = columns.image.index_select(0, order).t();
  return {left_vectors(image, sigma), sigma, columns.rotation.index_select(0, order).t(), ""};
}

SvdFactors dense_svd(const at::Tensor& matrix) {
  const at::Tensor wide = matrix.to(at::kDouble);
  const auto sound = [&](SvdFactors svd) -> std::optional<SvdFactors> {
    const MatrixTiles tiles(wide);
    const bool turned = tiles.transposed();
    const std::string fault =
        fault_of_full(tiles, turned ? svd.V : svd.U, svd.S, turned ? svd.U : svd.V, kDoubleFactors);
    return fault.empty() ? std::optional(std::move(svd)) : std::nullopt;
  };
  const std::array<Attempt<SvdFactors>, 2> attempts = {
      Attempt<SvdFactors>{"gesdd",
                          [&] {
                            const lapack::ThinFactors thin = lapack::svd(wide);
                            return sound({thin.U, thin.S, thin.Vh.t(), ""});
                          }},
      Attempt<SvdFactors>{"Jacobi rotations", [&] { return sound(jacobi_svd(wide)); }}};
  return first_success<SvdFactors>(attempts);
}

}  // namespace svtune::detail
