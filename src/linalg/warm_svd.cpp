#include "linalg/warm_svd.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "libtorch/prelude.h"
#include "linalg/gram.h"
#include "linalg/lapack.h"
#include "linalg/matrix_tiles.h"
#include "linalg/parallel.h"

namespace svtune {
namespace {

using detail::MatrixTiles;

constexpr double kSmallestDivisor = std::numeric_limits<float>::min();

at::Tensor orthonormal(const at::Tensor& columns) { return lapack::qr(columns).Q.contiguous(); }

at::Tensor column_norms(const at::Tensor& columns) {
  return at::linalg_vector_norm(columns, 2, at::IntArrayRef{0}, false, at::kDouble)
      .clamp_min(kSmallestDivisor);
}

// The given columns filled up with random ones to `size`, orthonormal.
at::Tensor start_block(const at::Tensor& subspace, std::int64_t side, std::int64_t size,
                       std::uint64_t seed) {
  const std::int64_t given = subspace.defined() ? std::min(subspace.size(1), size) : 0;
  std::vector<at::Tensor> columns;
  if (given > 0) columns.push_back(subspace.narrow(1, 0, given));
  if (given < size) {
    auto generator = at::detail::createCPUGenerator(seed);
    columns.push_back(at::randn({side, size - given}, generator, at::kFloat));
  }
  return orthonormal(at::cat(columns, 1));
}

// A Krylov basis [short, d] and its image A · basis [long, d].
struct KrylovBasis {
  at::Tensor vectors, image;
};

// Products with one matrix in its own precision; blocks are fp32 outside.
class Products {
 public:
  explicit Products(const at::Tensor& matrix) : tiles_(matrix) {}
  const MatrixTiles& tiles() const { return tiles_; }
  at::Tensor times(const at::Tensor& right) const {
    return tiles_.times(right.to(tiles_.weight().scalar_type())).to(at::kFloat);
  }
  at::Tensor transposed_times(const at::Tensor& left) const {
    return tiles_.transposed_times(left.to(tiles_.weight().scalar_type())).to(at::kFloat);
  }

 private:
  MatrixTiles tiles_;
};

KrylovBasis krylov_basis(const Products& matrix, const at::Tensor& block, std::int64_t steps) {
  KrylovBasis basis{block, matrix.times(block)};
  at::Tensor image = basis.image;
  for (std::int64_t step = 0; step < steps; ++step) {
    const std::int64_t room = matrix.tiles().short_side() - basis.vectors.size(1);
    if (room <= 0) break;
    // Scaled columns keep the squares of small singular values within range.
    at::Tensor next = matrix.transposed_times(image / column_norms(image).to(at::kFloat));
    next = next.narrow(1, 0, std::min(room, next.size(1))).contiguous();
    for (int pass = 0; pass < 2; ++pass) {
      next.sub_(at::mm(basis.vectors, at::mm(basis.vectors.t(), next)));
      next = orthonormal(next);
    }
    image = matrix.times(next);
    basis = {at::cat({basis.vectors, next}, 1), at::cat({basis.image, image}, 1)};
  }
  return basis;
}

}  // namespace

WarmSvd warm_svd(const at::Tensor& matrix, const at::Tensor& subspace,
                 const WarmSvdOptions& options) {
  const SerialMath serial;
  const Products products(options.rough && detail::cpu_multiplies_bf16() ? matrix.to(at::kBFloat16)
                                                                         : matrix);
  const MatrixTiles& tiles = products.tiles();
  const std::int64_t side = tiles.short_side(), rank = options.rank;
  if (matrix.scalar_type() != at::kFloat || rank < 1 || rank > side || options.steps < 0) {
    throw std::invalid_argument(
        "[warm_svd] got rank " + std::to_string(rank) +
        ", need an fp32 matrix and 1 .. min(out, in) = " + std::to_string(side));
  }
  const std::int64_t size = std::min(side, rank + 5 + rank / 16);
  const KrylovBasis basis =
      krylov_basis(products, start_block(subspace, side, size, options.seed), options.steps);
  const at::Tensor image = basis.image.to(at::kDouble);
  const auto [squares, rotation] = lapack::eigh(at::mm(image.t(), image));
  const at::Tensor leading = rotation.narrow(1, rotation.size(1) - size, size).flip(1);
  WarmSvd svd;
  svd.subspace = at::mm(basis.vectors, leading.to(at::kFloat));
  const at::Tensor right = svd.subspace.narrow(1, 0, rank).contiguous();
  svd.S =
      squares.narrow(0, squares.size(0) - rank, rank).flip(0).clamp_min(0).sqrt().to(at::kFloat);
  const at::Tensor left = at::mm(
      basis.image, (leading.narrow(1, 0, rank) / svd.S.to(at::kDouble).clamp_min(kSmallestDivisor))
                       .to(at::kFloat));
  svd.U = tiles.transposed() ? right : left;
  svd.V = tiles.transposed() ? left : right;
  return svd;
}

}  // namespace svtune
